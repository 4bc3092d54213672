"""Counters of the runtime's own events: rejected and cancelled requests, hooks, late requests.

A process has one object of them, which counts nothing until it is connected to a segment of
shared memory.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from podready.runtime.metrics.families import (
    CANCELLED,
    DRAIN_LAST_NEW_REQUEST,
    HOOK_SECONDS,
    REJECTED,
)

if TYPE_CHECKING:
    from podready.runtime.metrics.cells import Number
    from podready.runtime.metrics.shared import MetricsSegment


class Counters:
    """Counts in a segment, once it has one."""

    def __init__(self) -> None:
        self._segment: MetricsSegment | None = None
        self._rejected: Number | None = None
        self._cancelled: Number | None = None
        self._late: Number | None = None
        self._drain_began = 0.0

    def connect(self, segment: MetricsSegment) -> None:
        """Count in `segment` from now on; the counters begin there with 0."""
        self._segment = segment
        self._rejected = segment.number(REJECTED)
        self._cancelled = segment.number(CANCELLED)

    def request_rejected(self) -> None:
        """Count a request over the concurrency limit."""
        if self._rejected is not None:
            self._rejected.add()

    def items_cancelled(self, number: int) -> None:
        """Count requests, streams and tasks that were cancelled at the deadline."""
        if self._cancelled is not None:
            self._cancelled.add(number)

    def hook_ended(self, name: str, seconds: float) -> None:
        """Record how long a shutdown hook took, whether it succeeded or not."""
        if self._segment is not None:
            self._segment.number(HOOK_SECONDS, name).set(seconds)

    def drain_began(self) -> None:
        """Record the moment from which requests are late."""
        if self._segment is not None and self._late is None:
            self._drain_began = time.monotonic()
            self._late = self._segment.number(DRAIN_LAST_NEW_REQUEST)

    def request_during_drain(self) -> None:
        """Record that a request came after SIGTERM."""
        if self._late is not None:
            self._late.set(time.monotonic() - self._drain_began)
