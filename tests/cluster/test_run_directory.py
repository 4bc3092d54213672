"""The folder of a local cluster: there while it runs, gone afterwards, however it ended."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from podready.cluster.run_directory import MARKER, PREFIX, run_directory, sweep

HOLD = """
from podready.cluster.run_directory import run_directory
with run_directory() as folder:
    (folder / "secret").write_text("x")
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a temporary directory of the test's own the place of all folders."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_private_and_gone_afterwards(temp: Path) -> None:
    """Only its owner may look into it, and an error does not leave it behind."""
    with pytest.raises(RuntimeError), run_directory() as folder:  # noqa: PT012 - the folder is held
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        raise RuntimeError
    assert list(temp.iterdir()) == []


def test_what_a_killed_cluster_left_is_swept_and_a_living_one_is_not(temp: Path) -> None:
    """The kernel lets go of a dead process's lock, and only then its folder goes."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        left = Path(holder.stdout.readline().strip())
        sweep()
        assert (left / "secret").exists()
        holder.kill()
    assert left.exists()
    with run_directory() as folder:
        assert list(temp.iterdir()) == [folder]


def test_what_is_not_ours_stays(temp: Path) -> None:
    """A folder without the marker, a file and a link are left alone."""
    notes, target = temp / f"{PREFIX}notes", temp / "elsewhere"
    notes.mkdir()
    target.mkdir()
    (target / MARKER).touch()
    (temp / f"{PREFIX}file").touch()
    (temp / f"{PREFIX}link").symlink_to(target)
    before = sorted(temp.iterdir())
    sweep()
    assert sorted(temp.iterdir()) == before
    assert (target / MARKER).exists()
