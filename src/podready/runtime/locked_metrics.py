"""Counting HTTP requests on many threads at once, as a foreign WSGI server serves them.

A cell has one writer; where threads share it, each step is taken under one lock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from podready.runtime.http_metrics import Door, HttpMetrics

if TYPE_CHECKING:
    from podready.runtime.inflight import Scope
    from podready.runtime.shelf import Shelf


class LockedDoor(Door):
    """The requests of one method and scheme, from any thread."""

    __slots__ = ("_lock",)

    def __init__(self, shelf: Shelf, method: str, scheme: str, lock: threading.Lock) -> None:
        super().__init__(shelf, method, scheme)
        self._lock = lock

    def enter(self) -> None:
        """Count a request in."""
        with self._lock:
            super().enter()

    def leave(
        self,
        route: str,
        status: int,
        seconds: float,
        trace: tuple[bytes, bytes, float] | None = None,
    ) -> None:
        """Count a request out."""
        with self._lock:
            super().leave(route, status, seconds, trace)


class LockedHttpMetrics(HttpMetrics):
    """The doors of one process whose threads serve."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self._lock = threading.Lock()

    def door(self, scope: Scope) -> Door:
        """Return the door that this request comes in by."""
        key = (scope["method"], scope.get("scheme", "http"))
        found = self._doors.get(key)
        if found is not None:
            return found
        with self._lock:
            return super().door(scope)

    def _new(self, method: str, scheme: str) -> Door:
        return LockedDoor(self._shelf, method, scheme, self._lock)
