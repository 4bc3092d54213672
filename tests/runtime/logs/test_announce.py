"""The report reaches everybody who looks: stderr or log, and the pod's termination message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from podready.errors import SettingsError
from podready.runtime.logs.announce import announce, muted

APP = """
import podready
class App(podready.Settings, prefix="APP_"):
    port: int
settings = App.load()
async def app(scope, receive, send): ...
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "{python} main.py",
        "{python} -m uvicorn main:app --port 0",
        "{python} -m gunicorn main:app",
        "{python} -m gunicorn --preload main:app",
    ],
)
def test_a_plain_server_leaves_the_report_as_termination_message(
    tmp_path: Path, command: str
) -> None:
    """What `kubectl describe pod` shows is what stderr says."""
    (tmp_path / "main.py").write_text(APP)
    message = tmp_path / "termination-log"
    ended = subprocess.run(
        command.format(python=sys.executable).split(),
        cwd=tmp_path,
        env={"APP_PORT": "x", "PATH": "", "PODREADY_TERMINATION_LOG": str(message)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    report = (
        'settings: 1 problem (APP_*)\n  APP_PORT  invalid  "x" is not an integer  (int, required)'
    )
    assert message.read_text() == report
    assert report in ended.stderr
    assert ended.returncode == (4 if "gunicorn" in command and "preload" not in command else 78)
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_podready_run_leaves_it_too(tmp_path: Path) -> None:
    """The supervisor's own message holds the same text."""
    (tmp_path / "main.py").write_text(APP)
    message = tmp_path / "termination-log"
    ended = subprocess.run(
        [sys.executable, "-m", "podready", "run", "main:app", "--port", "0", "--admin-port", "0"],
        cwd=tmp_path,
        env={"APP_PORT": "x", "PATH": "", "PODREADY_TERMINATION_LOG": str(message)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert 'APP_PORT  invalid  "x" is not an integer  (int, required)' in message.read_text()


def test_nothing_is_announced_while_somebody_only_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`podready settings` imports modules that load their settings."""
    error = SettingsError("report")
    with muted():
        announce(error)
    assert (capsys.readouterr().err, error.reported) == ("", False)
    assert announce(error).reported
    assert capsys.readouterr().err == "report\n"


def test_a_line_in_the_log_takes_no_report_away_from_stderr() -> None:
    """A caller that has not configured podready's log does not look for a report there."""
    code = "from podready.runtime.logs import log_event; log_event('INFO', 'hello')\n"
    ended = subprocess.run(
        [sys.executable, "-c", code + APP],
        env={"APP_PORT": "x"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 'APP_PORT  invalid  "x" is not an integer' in ended.stderr
    assert "APP_PORT" not in ended.stdout
