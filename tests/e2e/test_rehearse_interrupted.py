"""Ctrl-C, SIGTERM and kill -9 in every phase: nothing outlives the command."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.e2e.conftest import SHORT, Rehearse, Start

pytestmark = pytest.mark.slow

UNDER_LOAD = " sent, "  # the line of counts


@pytest.mark.parametrize(
    ("phase", "number", "code"),
    [
        pytest.param("local cluster with", signal.SIGTERM, 143, id="SIGTERM as the cluster starts"),
        pytest.param("waiting for Deployment", signal.SIGINT, 130, id="Ctrl-C as the app starts"),
        pytest.param(UNDER_LOAD, signal.SIGINT, 130, id="Ctrl-C under load"),
        pytest.param(UNDER_LOAD, signal.SIGTERM, 143, id="SIGTERM under load"),
        pytest.param("shutting down", signal.SIGINT, 130, id="Ctrl-C as it shuts down"),
    ],
)
def test_told_to_stop(
    start: Start, tiny: Path, tmp_path: Path, phase: str, number: signal.Signals, code: int
) -> None:
    """It says so, shuts everything down and ends as shells expect it, without a traceback."""
    command = start("rehearse", tiny, *SHORT, "--out", tmp_path / "report")
    command.until(phase)
    os.killpg(command.process.pid, number)  # a terminal tells the whole group
    done = command.finish()
    assert done.code == code, done.out + done.err
    assert done.err == "podready: stopping; everything is being shut down\n"
    command.assert_nothing_left()


def test_an_impatient_second_ctrl_c_leaves_nothing_either(start: Start, tiny: Path) -> None:
    """Two in a row while the load runs: the shutdown that has begun is finished."""
    command = start("rehearse", tiny, *SHORT)
    command.until(UNDER_LOAD)
    command.process.send_signal(signal.SIGINT)
    command.process.send_signal(signal.SIGINT)
    done = command.finish()
    assert done.code == 130
    command.assert_nothing_left()


def test_killed(start: Start, rehearse: Rehearse, tiny: Path, tmp_path: Path) -> None:
    """After kill -9 no process lives on; its folder goes when the next rehearsal starts."""
    command = start("rehearse", tiny, *SHORT)
    command.until(UNDER_LOAD)
    command.process.kill()
    assert command.finish().code == -signal.SIGKILL
    assert command.footprint.left() == []
    (folder,) = (tmp_path / "tmp").iterdir()
    assert folder.name.startswith("podready-cluster-")
    assert folder.stat().st_mode & 0o077 == 0
    done = rehearse(tiny, *SHORT)  # checks that the folder is empty afterwards
    assert done.code == 0, done.out + done.err
