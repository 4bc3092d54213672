"""An event loop whose time is virtual, for tests of what happens when."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

VIRTUAL = {"reconcile", "controllers", "test_scheduler.py"}
"""Folders and files beside this one whose tests run in virtual time."""


class JumpingSelector(selectors.DefaultSelector):
    """Never waits: time jumps to the next timer instead."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, and let the time that would have been waited pass."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("the test waits for something that nothing will ever do")
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour of waiting takes no time."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._jumping.now


class LoopClock:
    """A Clock that reads the running event loop's time."""

    def monotonic(self) -> float:
        """Return the loop's time in seconds."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """Return a wall clock that moves with the loop."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give virtual time to the tests that are about time, and the real one to all others."""
    parts = item.path.relative_to(item.config.rootpath / "tests" / "cluster").parts
    if VIRTUAL & set(parts):
        return {"virtual": VirtualTimeLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture
def clock() -> LoopClock:
    """Return a clock that agrees with the test's event loop."""
    return LoopClock()
