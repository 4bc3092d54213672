"""What the framework apps share: marks that a test reads, gates that it opens, planned faults.

A mark is a line in the file `marks` of the folder $GATE; a gate is open once a file of its name is
there. So a test waits for the app and the app for the test, and nobody sleeps a guess.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import podready

FOLDER = Path(os.environ["GATE"])
FAULT = os.environ.get("FAULT", "")
"""Where the app is to fail: startup, shutdown, warmup or hook; empty for a sound app."""

TICK = 0.02
"""Seconds between two looks at a gate and between two events."""

EVENT_HEADERS = {"cache-control": "no-store"}


class PlannedError(Exception):
    """The fault that a test asked for."""


def mark(name: str) -> None:
    """Tell the test that the app came by here."""
    with open(FOLDER / "marks", "a", encoding="utf-8") as marks:
        marks.write(f"{name}\n")


def fail_at(place: str, wanted: str = FAULT) -> None:
    """Raise if `place` is where the test wants a fault."""
    if wanted == place:
        raise PlannedError(f"planned fault in {place}")


def is_open(gate: str) -> bool:
    """Whether the test has opened the gate."""
    return (FOLDER / gate).exists()


async def passed(gate: str) -> None:
    """Return once the gate is open."""
    while not is_open(gate):  # noqa: ASYNC110 - the event is in another process
        await asyncio.sleep(TICK)


def wait_until_passed(gate: str) -> None:
    """Return once the gate is open; blocks its thread."""
    while not is_open(gate):
        time.sleep(TICK)


async def work_behind(gate: str) -> None:
    """Work that a test sees begin and lets end."""
    mark(f"{gate}-begun")
    await passed(gate)
    mark(f"{gate}-done")


def work_in_thread_behind(gate: str) -> None:
    """The same in a thread."""
    mark(f"{gate}-begun")
    wait_until_passed(gate)
    mark(f"{gate}-done")


async def named_work_behind(gate: str) -> None:
    """The same for a framework whose background work the server cannot see: named to podready."""
    with podready.track("a job"):
        await work_behind(gate)


def named_work_in_thread_behind(gate: str) -> None:
    """The same in a thread."""
    with podready.track("a job"):
        work_in_thread_behind(gate)


async def events() -> AsyncIterator[bytes]:
    """An endless stream of events; marks its end however that comes."""
    try:
        number = 0
        while True:
            yield b"data: %d\n\n" % number
            number += 1
            await asyncio.sleep(TICK)
    finally:
        mark("events-over")


async def quiet_events() -> AsyncIterator[bytes]:
    """One event, then silence for ever: most streams look like this most of the time."""
    try:
        yield b"data: 0\n\n"
        await asyncio.Event().wait()
    finally:
        mark("quiet-over")


def events_in_thread() -> Iterator[bytes]:
    """An endless stream of events over WSGI."""
    try:
        number = 0
        while True:
            yield b"data: %d\n\n" % number
            number += 1
            time.sleep(TICK)
    finally:
        mark("events-over")


CHUNKS = (b"one\n", b"two\n", b"three\n")


async def chunks() -> AsyncIterator[bytes]:
    """A short stream."""
    for chunk in CHUNKS:
        yield chunk


async def broken_chunks() -> AsyncIterator[bytes]:
    """A stream that fails after its first chunk."""
    yield CHUNKS[0]
    raise PlannedError("planned fault in a stream")


def broken_chunks_in_thread() -> Iterator[bytes]:
    """The same over WSGI."""
    yield CHUNKS[0]
    raise PlannedError("planned fault in a stream")


def register_failing_hooks() -> None:
    """Register podready's own hooks: a sound one on both sides of the one that fails."""
    for name in ("first", "hook", "last"):

        @podready.on_shutdown(name)
        def stop(name: str = name) -> None:
            mark(f"hook {name}")
            fail_at(name)

    @podready.warmup("warmup")
    def warm() -> None:
        mark("warmup")
        fail_at("warmup")


register_failing_hooks()
