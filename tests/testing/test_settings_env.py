"""The fake environment: a settings class sees what the test says, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import podready
from podready.errors import SettingsError
from podready.testing import SettingsEnv
from podready.testing import settings_env as settings_env_until_end_of_block


class AppSettings(podready.Settings):
    """What an app may need."""

    port: int = podready.var(default=8000)
    key: podready.Secret[str] = podready.var()


def test_only_the_given_variables_are_there(settings_env: SettingsEnv) -> None:
    """A later call replaces an earlier one."""
    settings_env({"PORT": "3000", "KEY": "k"})
    assert AppSettings.load().port == 3000
    assert dict(os.environ) == {"PORT": "3000", "KEY": "k"}
    settings_env({"KEY": "k"})
    assert AppSettings.load().port == 8000


def test_a_missing_variable_is_reported(
    settings_env: SettingsEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable of the machine that runs the test does not help."""
    monkeypatch.setenv("KEY", "of this machine")
    settings_env()
    with pytest.raises(SettingsError, match="KEY"):
        AppSettings.load()


def test_secret_files_are_read_by_their_variable(settings_env: SettingsEnv) -> None:
    """NAME_FILE says where the file is."""
    folder = settings_env(secret_files={"KEY": "from a file"})
    assert AppSettings.load().key.reveal() == "from a file"
    assert os.environ["KEY_FILE"] == str(folder / "KEY")


def test_a_class_reads_the_folder_instead_of_its_own(
    settings_env: SettingsEnv, tmp_path: Path
) -> None:
    """Mounted secrets of this machine are as invisible as its variables."""
    (tmp_path / "KEY").write_text("of this machine")
    (tmp_path / "PORT").write_text("1")

    class Mounted(AppSettings, directories=[str(tmp_path)]):
        """Reads a folder."""

    folder = settings_env()
    (folder / "key").write_text("of the test")
    settings = Mounted.load()
    assert (settings.key.reveal(), settings.port) == ("of the test", 8000)


def test_no_env_file_is_read(settings_env: SettingsEnv, tmp_path: Path) -> None:
    """The developer's own `.env` is not the test's."""
    (tmp_path / ".env").write_text("PORT=1\nKEY=of this machine\n")

    class Local(AppSettings, env_file=str(tmp_path / ".env")):
        """Reads a file."""

    assert Local.load().port == 1
    settings_env({"KEY": "k"})
    assert Local.load().port == 8000


def test_secrets_that_a_class_has_removed_do_not_come_back(settings_env: SettingsEnv) -> None:
    """`unset_secrets` keeps them for a second load, but not for another environment."""

    class Once(AppSettings, unset_secrets=True):
        """Takes its secrets away."""

    settings_env({"KEY": "first"})
    assert Once.load().key.reveal() == "first"
    assert Once.load().key.reveal() == "first"
    settings_env()
    with pytest.raises(SettingsError, match="KEY"):
        Once.load()


def test_the_environment_comes_back(tmp_path: Path) -> None:
    """After the block, also when it raised; the files are gone."""
    before = dict(os.environ)
    folders: list[Path] = []

    def test_that_fails() -> None:
        with settings_env_until_end_of_block({"A": "1"}, secret_files={"KEY": "k"}) as folder:
            folders.append(folder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        test_that_fails()
    assert dict(os.environ) == before
    assert not folders[0].exists()
