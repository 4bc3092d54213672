"""Counting HTTP requests: rate, errors and duration, by method, route, status and scheme.

The labels come from the app (its route templates, its status codes) and never from the client:
an unknown method is `_OTHER`, a path without a route is "", and the number of cells is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.metrics.families import ACTIVE_REQUESTS, REQUEST_DURATION

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Scope
    from podready.runtime.metrics.cells import Histogram, Mark
    from podready.runtime.metrics.shared import Shelf

METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)
"""What OpenTelemetry's conventions call known: RFC 9110, PATCH (RFC 5789) and QUERY."""

OTHER_METHOD: Final = "_OTHER"


class Door:
    """The requests of one method and scheme."""

    __slots__ = ("_labels", "_shelf", "active", "cells")

    def __init__(self, shelf: Shelf, method: str, scheme: str) -> None:
        self._shelf = shelf
        self._labels = (method, scheme)
        self.active = shelf.number(ACTIVE_REQUESTS, method, scheme).view
        self.cells: dict[tuple[str, int], Histogram] = {}

    def enter(self) -> None:
        """Count a request in."""
        self.active[0] += 1.0

    def leave(self, route: str, status: int, seconds: float, mark: Mark | None = None) -> None:
        """Count a request out; the `mark` of a trace that is sampled becomes an exemplar."""
        self.active[0] -= 1.0
        cell = self.cells.get((route, status))
        if cell is None:
            cell = self.open(route, status)
        cell.observe(seconds, mark)

    def open(self, route: str, status: int) -> Histogram:
        """Return the cell for a route and a status that it has not seen yet."""
        method, scheme = self._labels
        cell = self._shelf.histogram(REQUEST_DURATION, method, route, str(status), scheme)
        self.cells[route, status] = cell
        return cell


class HttpMetrics:
    """The doors of one worker."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.doors: dict[tuple[str, str], Door] = {}

    def door(self, scope: Scope) -> Door:
        """Return the door that this request comes in by."""
        key = (scope["method"], scope.get("scheme", "http"))
        door = self.doors.get(key)
        return self._open(*key) if door is None else door

    def _open(self, method: str, scheme: str) -> Door:
        method = method if method in METHODS else OTHER_METHOD
        scheme = scheme if scheme == "https" else "http"
        if (method, scheme) not in self.doors:
            self.doors[method, scheme] = Door(self._shelf, method, scheme)
        return self.doors[method, scheme]
