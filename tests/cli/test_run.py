"""`podready` and `podready run` as commands: help, version, mistakes and their exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.runtime.conftest import eventually

import podready
from podready.cli import main
from podready.cli.main import run_cli
from podready.runtime.run_config import OPTIONS


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists the commands with examples, and --version the version."""
    assert run_cli(["--help"]) == 0
    text = capsys.readouterr().out
    assert "podready run main:app" in text
    assert "rehearse" in text
    assert run_cli(["--version"]) == 0
    assert capsys.readouterr().out == f"podready {podready.__version__}\n"


def test_run_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of `run` comes from the table of settings, so none is missing."""
    assert run_cli(["run", "--help"]) == 0
    text = capsys.readouterr().out
    for option in OPTIONS:
        assert f"  {option.usage}" in text
        assert option.help in " ".join(text.split())


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command there is the help and exit code 2."""
    assert run_cli([]) == 2
    assert "usage: podready" in capsys.readouterr().out


def test_missing_extra(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command whose extra is not installed says how to install it."""
    monkeypatch.setitem(main.TOOLS, "dance", ("nosuchpackage.dance:dance", "dance", "dance"))
    assert run_cli(["dance"]) == 2
    assert "pip install 'podready[dance]'" in capsys.readouterr().err


def test_bad_settings_end_with_78() -> None:
    """All bad settings come in one message on stderr, exit code 78, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "podready", "run", "main:app", "--port", "x"],
        env={**os.environ, "PODREADY_GRACE_PERIOD": "y"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78
    assert "--port: 'x'" in done.stderr
    assert "PODREADY_GRACE_PERIOD: 'y'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_exit_code_needs_no_reader() -> None:
    """78 is 78 also where the sentence cannot be written."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "podready", "run", "main:app", "--port", "x"],
            stdout=full,
            stderr=full,
            check=False,
        )
    assert done.returncode == 78


CLOSED = """
import atexit, os
atexit.register(lambda: os.mkdir("over"))
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        os.mkdir("up")
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
"""


def test_standard_descriptors_may_be_closed(tmp_path: Path) -> None:
    """`podready run ... <&- >&- 2>&-`: it serves, stops with 0, and the app's atexit runs."""
    (tmp_path / "main.py").write_text(CLOSED)
    command = f"exec {sys.executable} -m podready run main:app --port 0 --admin-port 0"
    with subprocess.Popen(["sh", "-c", f"{command} <&- >&- 2>&-"], cwd=tmp_path) as process:
        eventually((tmp_path / "up").exists, "it is up")
        process.terminate()
        assert process.wait(20) == 0
    assert (tmp_path / "over").exists()


def test_the_public_face_is_locked() -> None:
    """Few names, each of which can be had."""
    assert podready.__all__ == dir(podready)
    names = set(podready.__all__) - {"__version__"}
    assert names == {
        "Secret", "Settings", "check", "mark_healthy", "mark_unhealthy", "on_shutdown", "set_ready",
        "shutting_down", "track", "var", "wait_for_shutdown", "warmup", "wrap",
    }  # fmt: skip
    assert all(getattr(podready, name) is not None for name in names)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = podready.nothing
