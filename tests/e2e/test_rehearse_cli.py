"""How the command speaks: help, usage errors, a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import BEFORE_OTHERS, PODREADY, SHORT, Footprint, Rehearse, Start

pytestmark = pytest.mark.slow

SPINNER = set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
MARKUP = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def test_help(start: Start) -> None:
    """It names every scenario, option and exit code, and shows examples."""
    done = start("rehearse", "--help").finish()
    assert done.code == 0
    assert done.err == ""
    for word in ("rolling-update", "rollback", "pod-deletion", "--endpoint-lag", "--sandbox"):
        assert word in done.out
    assert "examples:" in done.out
    assert "exit codes:\n  0  ready" in done.out
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["rehearse", "--nonsense"], "podready rehearse has no option --nonsense"),
        (["rehearse", "--rps", "0"], "--rps: 0.0 is not in the range 1<=x<=5000"),
        (["rehearse", "--rps", "many"], "--rps: 'many' is not a valid number"),
        (["rehearse", "--endpoint-lag", "soon"], "'soon' is not a duration such as 500ms"),
        (["rehearse", "--sandbox", "vm"], "'auto', 'netns', 'plain'"),
        (["rehearse", "nowhere"], "nowhere: no such folder"),
        (["rehearse", "--target", "10.0.0.1:80"], "belong together"),
        (["rehaerse"], "no command 'rehaerse'"),
    ],
)
def test_usage_errors(start: Start, arguments: list[str], text: str) -> None:
    """Exit 2, one sentence on stderr, nothing on stdout."""
    done = start(*arguments).finish()
    assert done.code == 2
    assert text in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_an_unknown_scenario_is_a_usage_error(rehearse: Rehearse, tiny: Path) -> None:
    """It says which ones there are, or which one was meant."""
    done = rehearse(tiny, "--scenario", "rolling-updaet")
    assert done.code == 2
    assert "did you mean 'rolling-update'?" in done.err


@pytest.mark.slow
def test_the_live_view_of_a_terminal(tiny: Path, tmp_path: Path) -> None:
    """On a terminal a status line changes in place, and the end is the same as elsewhere."""
    ours, theirs = pty.openpty()
    argv = [
        *BEFORE_OTHERS,
        str(PODREADY),
        "rehearse",
        str(tiny),
        *SHORT,
        "--out",
        str(tmp_path / "report"),
    ]
    environ = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "120"}
    temp = tmp_path / "tmp"
    temp.mkdir()
    process = subprocess.Popen(
        argv,
        env={**environ, "TMPDIR": str(temp)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    footprint = Footprint(process.pid)
    os.close(theirs)
    shown = read_all(ours)
    assert process.wait(30) == 0, shown
    footprint.stop()
    assert footprint.left() == []
    assert "\x1b[?25l" in shown  # the cursor is hidden while the view is live,
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # and comes back
    plain = MARKUP.sub("", shown).replace("\r", "\n")
    assert re.search(r"Deletion of a pod  [\d,]+ sent  0 dropped  p50", plain)
    assert len(set(plain) & SPINNER) > 1  # it turns
    assert re.search(r"^READY  0 of [\d,]+ requests dropped", plain, re.MULTILINE)


def read_all(terminal: int) -> str:
    """Return all that is written to a terminal until its other end closes."""
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # EIO: closed
                break
            shown += part
    os.close(terminal)
    return shown.decode()
