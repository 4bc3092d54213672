"""Metrics of a worker's interpreter: the event loop's lag, garbage collections, dropped lines."""

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
    from podready.runtime.metrics.shared import MetricsSegment


class InterpreterMetrics:
    """Samples them on every heartbeat; `interval` is the seconds between two heartbeats."""

    def __init__(self, segment: MetricsSegment, interval: float) -> None:
        self._interval = interval
        self._due: float | None = None
        self._lag = segment.histogram(LOOP_LAG)
        self._stalls = segment.number(LOOP_STALLS)
        self._dropped = segment.number(LOG_DROPPED)
        generations = [str(number) for number in range(len(gc.get_stats()))]
        self._collections = [segment.number(GC_COLLECTIONS, each) for each in generations]
        self._collecting = [segment.number(GC_SECONDS, each) for each in generations]
        self._gc_began = 0.0
        gc.callbacks.append(self._collected)

    def heartbeat(self) -> None:
        """Take a sample; call it right before going to sleep for `interval`."""
        now = time.monotonic()
        self.sample(None if self._due is None else now - self._due)
        self._due = time.monotonic() + self._interval

    def sample(self, lag: float | None) -> None:
        """Record how many seconds late the loop was, None without a loop, and all other metrics."""
        if lag is not None:
            self._lag.observe(max(0.0, lag))
        self._dropped.set(dropped_lines())
        for cell, stats in zip(self._collections, gc.get_stats(), strict=True):
            cell.set(stats["collections"])

    def stalled(self) -> None:
        """Count a blocked loop; called from the watchdog's thread only."""
        self._stalls.add()

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            self._collecting[info["generation"]].add(time.perf_counter() - self._gc_began)

    def close(self) -> None:
        """Remove the callback from the garbage collector."""
        gc.callbacks.remove(self._collected)
