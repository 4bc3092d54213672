"""Counting HTTP requests: rate, errors and duration, by method, route, status and scheme.

The labels come from the app (its route templates, its status codes) and never from the client:
an unknown method is `_OTHER`, a path without a route is "", and the number of cells is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.metrics.families import ACTIVE_REQUESTS, REQUEST_DURATION

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Scope
    from podready.runtime.metrics.cells import Histogram
    from podready.runtime.metrics.shared import MetricsSegment

METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)
"""What OpenTelemetry's conventions call known: RFC 9110, PATCH (RFC 5789) and QUERY."""

OTHER_METHOD: Final = "_OTHER"


class MethodSeries:
    """The series of one method and scheme: requests in flight, and durations by route and status.

    `active` is written in place, and `cells` are looked up by (route, status); see
    `requests.instrumentation`, which does both without a call.
    """

    __slots__ = ("_labels", "_segment", "active", "cells")

    def __init__(self, segment: MetricsSegment, method: str, scheme: str) -> None:
        self._segment = segment
        self._labels = (method, scheme)
        self.active = segment.number(ACTIVE_REQUESTS, method, scheme).view
        self.cells: dict[tuple[str, int], Histogram] = {}

    def add(self, route: str, status: int) -> Histogram:
        """Make and return the histogram of a route and a status that are not in `cells` yet."""
        method, scheme = self._labels
        cell = self._segment.histogram(REQUEST_DURATION, method, route, str(status), scheme)
        self.cells[route, status] = cell
        return cell


class HttpMetrics:
    """The series of one worker's requests, by method and scheme."""

    def __init__(self, segment: MetricsSegment) -> None:
        self._segment = segment
        self.series: dict[tuple[str, str], MethodSeries] = {}

    def series_of(self, scope: Scope) -> MethodSeries:
        """Return the series that this request belongs to."""
        key = (scope["method"], scope.get("scheme", "http"))
        series = self.series.get(key)
        return self._add(*key) if series is None else series

    def _add(self, method: str, scheme: str) -> MethodSeries:
        method = method if method in METHODS else OTHER_METHOD
        scheme = scheme if scheme == "https" else "http"
        if (method, scheme) not in self.series:
            self.series[method, scheme] = MethodSeries(self._segment, method, scheme)
        return self.series[method, scheme]
