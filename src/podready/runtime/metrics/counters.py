"""What the worker's own steps are counted by: shed and cut work, hooks, requests that come late.

Like `inflight.IN_FLIGHT` there is one for the process. Until the worker has given it a shelf, and
under `podready.wrap`, it counts nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from podready.runtime.metrics.families import CANCELLED, DRAIN_LAST_NEW_REQUEST, HOOK_SECONDS, SHED

if TYPE_CHECKING:
    from podready.runtime.metrics.cells import Number
    from podready.runtime.metrics.shared import Shelf


class Meter:
    """Counts on a shelf, when it has one."""

    def __init__(self) -> None:
        self._shelf: Shelf | None = None
        self._shed: Number | None = None
        self._cut: Number | None = None
        self._late: Number | None = None
        self._drain_began = 0.0

    def use(self, shelf: Shelf) -> None:
        """Count on `shelf` from now on; the counters begin to exist with 0."""
        self._shelf = shelf
        self._shed = shelf.number(SHED)
        self._cut = shelf.number(CANCELLED)

    def shed(self) -> None:
        """Count a request that was turned away."""
        if self._shed is not None:
            self._shed.add()

    def cut(self, number: int) -> None:
        """Count work that was cut at the deadline."""
        if self._cut is not None:
            self._cut.add(number)

    def hook_took(self, name: str, seconds: float) -> None:
        """Note how long a hook took, whether it ended well or not."""
        if self._shelf is not None:
            self._shelf.number(HOOK_SECONDS, name).set(seconds)

    def draining(self) -> None:
        """Note that the drain has begun."""
        if self._shelf is not None and self._late is None:
            self._drain_began = time.monotonic()
            self._late = self._shelf.number(DRAIN_LAST_NEW_REQUEST)

    def late_request(self) -> None:
        """Note a request that came in after SIGTERM."""
        if self._late is not None:
            self._late.set(time.monotonic() - self._drain_began)


METER = Meter()
"""This process's meter."""
