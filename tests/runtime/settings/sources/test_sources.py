"""Where values come from: the order of the places, config trees, `.env`, `${X}`, removal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import podready
from podready.errors import SettingsError
from podready.runtime.settings.load import Schema
from podready.runtime.settings.report import render_report
from podready.runtime.settings.variable import Options


class Shop(podready.Settings, prefix="SHOP_"):
    database_url: podready.Secret[str] = podready.var(default="sqlite://")
    name: str = podready.var(default="shop", expand=True)
    log: str = "stdout"
    log_file: str = "none"


def schema(**options: object) -> Schema:
    """Return Shop read with other options."""
    return Schema(Shop, Shop._options.replace(**options))


def report(of: Schema, environ: dict[str, str], *, allow_env_file: bool = False) -> str:
    """Return what is wrong."""
    problems = of.read(environ, allow_env_file=allow_env_file).problems
    return render_report(problems, "SHOP_") if problems else ""


@pytest.mark.parametrize(
    "file",
    ["SHOP_DATABASE_URL", "DATABASE_URL", "database-url", "shop.database.url", "database/url"],
)
def test_a_file_named_for_a_variable_is_its_value(tmp_path: Path, file: str) -> None:
    """Docker's /run/secrets, a mounted Secret and Spring's config tree name files differently."""
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("postgres://x\n")
    reading = schema(directories=(str(tmp_path),)).read({})
    assert reading.value.database_url.reveal() == "postgres://x"
    assert reading.raw_values["SHOP_DATABASE_URL"].source == f"file {path}"


def test_a_mounted_volume_is_read_through_its_links(tmp_path: Path) -> None:
    """The kubelet's `..data` folders are no config tree of their own."""
    (tmp_path / "..2026_1").mkdir()
    (tmp_path / "..2026_1" / "name").write_text("one")
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "name").symlink_to("..data/name")
    assert schema(directories=(str(tmp_path),)).read({}).value.name == "one"


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    """A folder that contains itself is not walked for ever."""
    (tmp_path / "loop").symlink_to(tmp_path)
    assert schema(directories=(str(tmp_path),)).read({}).problems == []


def test_two_files_for_one_variable_are_a_problem(tmp_path: Path) -> None:
    """Nobody can tell which one is meant."""
    for name in ("name", "SHOP_NAME"):
        (tmp_path / name).write_text(name)
    assert "SHOP_NAME  invalid  both" in report(schema(directories=(str(tmp_path),)), {})


def test_a_misspelt_file_with_the_prefix_is_named(tmp_path: Path) -> None:
    """Files of other names are other people's."""
    (tmp_path / "shop-nmae").write_text("x")
    (tmp_path / "nmae").write_text("x")
    (tmp_path / "keystore.jks").write_bytes(b"\xff\xfe")
    found = report(schema(directories=(str(tmp_path),)), {})
    assert found.splitlines()[1:] == ["  SHOP_NMAE  unknown  did you mean SHOP_NAME?"]


def test_a_directory_that_is_not_there_is_no_problem() -> None:
    """The same class runs on a laptop, where nothing is mounted."""
    assert schema(directories=("/nowhere",)).read({}).value.name == "shop"


def test_a_file_beyond_kubernetes_own_limit_is_refused(tmp_path: Path) -> None:
    """/dev/zero is not read for ever."""
    assert "larger than 1 MiB" in report(schema(), {"SHOP_NAME_FILE": "/dev/zero"})


def test_the_environment_wins_over_files_and_files_over_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From high to low: environment, directories, .env, default."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree").mkdir()
    of = schema(directories=("tree",), env_file=".env")
    assert of.read({}, allow_env_file=True).value.name == "shop"
    (tmp_path / ".env").write_text("SHOP_NAME=dotenv\n")
    assert of.read({}, allow_env_file=True).value.name == "dotenv"
    (tmp_path / "tree" / "name").write_text("tree")
    assert of.read({}, allow_env_file=True).value.name == "tree"
    assert of.read({"SHOP_NAME": "environment"}, allow_env_file=True).value.name == "environment"


def test_dotenv_is_read_outside_kubernetes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Kubernetes, and for an environment that is passed in, it is not looked at."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SHOP_NAME=dotenv\n")
    of = schema(env_file=".env")
    assert of.read({}).value.name == "shop"
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert of.read(pod, allow_env_file=True).value.name == "shop"


def test_what_is_wrong_in_dotenv_is_named_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And typos there are typos."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SHOP_NAME=x\nnonsense\n")
    assert ".env:2  invalid  is not NAME=value" in report(
        schema(env_file=".env"), {}, allow_env_file=True
    )
    (tmp_path / ".env").write_text("SHOP_NAEM=x\n")
    assert "SHOP_NAEM  unknown" in report(schema(env_file=".env"), {}, allow_env_file=True)


def test_a_field_that_ends_in_file_is_no_path_to_another() -> None:
    """SHOP_LOG_FILE is a variable of this class, not where SHOP_LOG is."""
    loaded = Shop.load({"SHOP_LOG": "a", "SHOP_LOG_FILE": "/nowhere"})
    assert (loaded.log, loaded.log_file) == ("a", "/nowhere")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${HOST}:80", "h:80"),
        ("${HOST:-x}", "h"),
        ("${NONE:-x}", "x"),
        ("${EMPTY:-x}${EMPTY}", "x"),
        ("$${HOST} $HOST $5", "${HOST} $HOST $5"),
        ("${HOST", "${HOST"),
    ],
)
def test_references_are_expanded_where_asked(text: str, value: str) -> None:
    """Once, with braces only: a $ in a password stays."""
    assert Shop.load({"SHOP_NAME": text, "HOST": "h", "EMPTY": ""}).name == value


def test_only_where_asked() -> None:
    """A variable that did not ask keeps its text."""
    assert Shop.load({"SHOP_LOG": "${HOST}", "HOST": "h"}).log == "${HOST}"


def test_a_reference_to_nothing_is_a_problem() -> None:
    """Named, without a value."""
    assert "refers to ${NONE}, which is not set" in report(schema(), {"SHOP_NAME": "${NONE}"})


class Taken(podready.Settings, prefix="TAKEN_", unset_secrets=True):
    key: podready.Secret[str]
    port: int = 1


def test_secrets_are_removed_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children do not inherit them; loading again in this process still works."""
    monkeypatch.setenv("TAKEN_KEY", "hunter2")
    monkeypatch.setenv("TAKEN_PORT", "2")
    assert Taken.load().key.reveal() == "hunter2"
    code = "from os import environ as e; print(e.get('TAKEN_KEY'), e['TAKEN_PORT'])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["None", "2"]
    assert "TAKEN_KEY" not in os.environ
    assert Taken.load().key.reveal() == "hunter2"


def test_secrets_stay_when_settings_are_invalid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is removed before all is well."""
    monkeypatch.setenv("TAKEN_KEY", "hunter2")
    monkeypatch.setenv("TAKEN_PORT", "x")
    with pytest.raises(SettingsError):
        Taken.load()
    assert os.environ["TAKEN_KEY"] == "hunter2"
    assert "hunter2" not in capsys.readouterr().err


names = st.text(alphabet="SHOPNAME_FILElog", min_size=1, max_size=16)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@pytest.mark.slow
@given(st.dictionaries(names.map("SHOP_".__add__), texts))
def test_any_environment_gives_settings_or_problems(environ: dict[str, str]) -> None:
    """Fuzzed names and values: nothing is raised, and the report is fit to print."""
    of = Schema(Shop, Options(prefix="SHOP_", directories=("/nowhere",)))
    text = report(of, environ)
    assert all(line.isprintable() for line in text.split("\n"))
