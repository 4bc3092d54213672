"""Signals of a rehearsal: the work ends, what it raised is kept, cleaning up is not disturbed."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from podready.cli import rehearse_stop
from podready.cli.rehearse_stop import StoppedError, StopSignals


async def value() -> str:
    """Do the work at once."""
    return "result"


async def test_without_a_signal_the_work_is_done() -> None:
    """The result comes through, and so does an error."""
    stop = StopSignals()
    assert await stop.run_until_cancelled(value()) == "result"
    with pytest.raises(ZeroDivisionError):
        await stop.run_until_cancelled(fail())
    assert stop.code == 0


async def fail() -> None:
    """Do the work badly."""
    raise ZeroDivisionError


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_cancels_the_work_until_it_ends(
    number: signal.Signals,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first cancellation is swallowed, as wait_for may do it; the second one ends it."""
    monkeypatch.setattr(rehearse_stop, "RETRY_SECONDS", 0.01)
    stop = StopSignals()
    stop.listen()
    cleaned = []

    async def ignoring_once() -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)  # a second one changes nothing
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass  # swallowed
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)

    try:
        with pytest.raises(StoppedError):
            await stop.run_until_cancelled(ignoring_once())
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(each)
    assert cleaned == [True]
    assert stop.code == code
    assert capsys.readouterr().err.count("stopping") == 1
    with pytest.raises(StoppedError):  # and nothing begins any more
        await stop.run_until_cancelled(value())
