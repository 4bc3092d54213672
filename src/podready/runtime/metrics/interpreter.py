"""How the worker's interpreter fares: the event loop's lag, garbage collections, dropped lines."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

from podready.runtime.logs import dropped_lines
from podready.runtime.metrics.families import (
    GC_COLLECTIONS,
    GC_SECONDS,
    LOG_DROPPED,
    LOOP_LAG,
    LOOP_STALLS,
)

if TYPE_CHECKING:
    from podready.runtime.metrics.shared import Shelf


class Vitals:
    """Looks at it on every heartbeat; `interval` is the seconds that one sleeps between two."""

    def __init__(self, shelf: Shelf, interval: float) -> None:
        self._interval = interval
        self._due: float | None = None
        self._lag = shelf.histogram(LOOP_LAG)
        self._stalls = shelf.number(LOOP_STALLS)
        self._dropped = shelf.number(LOG_DROPPED)
        generations = [str(number) for number in range(len(gc.get_stats()))]
        self._collections = [shelf.number(GC_COLLECTIONS, each) for each in generations]
        self._collecting = [shelf.number(GC_SECONDS, each) for each in generations]
        self._gc_began = 0.0
        gc.callbacks.append(self._collected)

    def beat(self) -> None:
        """Take a sample; call it right before going to sleep for `interval`."""
        now = time.monotonic()
        self.sample(None if self._due is None else now - self._due)
        self._due = time.monotonic() + self._interval

    def sample(self, lag: float | None) -> None:
        """Note how many seconds late the loop was, if there is one, and what the rest is now."""
        if lag is not None:
            self._lag.observe(max(0.0, lag))
        self._dropped.set(dropped_lines())
        for cell, stats in zip(self._collections, gc.get_stats(), strict=True):
            cell.set(stats["collections"])

    def stalled(self) -> None:
        """Count a loop that stood still; called from the watchdog's thread only."""
        self._stalls.add()

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            self._collecting[info["generation"]].add(time.perf_counter() - self._gc_began)

    def close(self) -> None:
        """Watch the collector no more."""
        gc.callbacks.remove(self._collected)
