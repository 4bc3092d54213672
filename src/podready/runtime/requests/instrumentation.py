"""What is measured of a request, from its head to the end of its answer: metrics and its span."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from podready.runtime.requests.route import route_in
from podready.runtime.tracing.context import names_trace

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Scope
    from podready.runtime.metrics.cells import Mark
    from podready.runtime.metrics.http import HttpMetrics
    from podready.runtime.requests.request import HttpRequest
    from podready.runtime.requests.wsgi_request import WsgiRequest
    from podready.runtime.tracing.spans import Tracing

_monotonic: Final = time.monotonic


class Instrumentation:
    """Counts, times and traces requests; with neither metrics nor tracing it does nothing.

    What it keeps of a request is an attribute of the request, so that it makes no object.
    """

    def __init__(self, metrics: HttpMetrics | None = None, tracing: Tracing | None = None) -> None:
        self._metrics = metrics
        self._series = metrics.series if metrics is not None else {}
        self._tracing = tracing

    def begin(self, request: HttpRequest | WsgiRequest, scope: Scope) -> None:
        """Begin to measure a request."""
        if self._tracing is not None:
            request.span = span = self._tracing.begin(scope)
            if span is not None:
                request.use_trace(span.context)
        if self._metrics is not None:
            method_and_scheme = (scope["method"], scope.get("scheme", "http"))
            series = self._series.get(method_and_scheme) or self._metrics.series_of(scope)
            series.active[0] += 1.0
            request.series = series

    def end(
        self, request: HttpRequest | WsgiRequest, scope: Scope, failure: BaseException | None
    ) -> None:
        """Count the request and end its span; in the task that began it."""
        series = request.series
        if series is not None:
            seconds = _monotonic() - request.started
            series.active[0] -= 1.0
            route, status = request.route or route_in(scope), request.status
            mark = _mark(request) if request.headers or request.span is not None else None
            (series.cells.get((route, status)) or series.add(route, status)).observe(seconds, mark)
        if request.span is not None:
            request.span.end(request.route or route_in(scope), request.status, failure)


def _mark(request: HttpRequest | WsgiRequest) -> Mark | None:
    """Return the trace of a request for an exemplar, None when it is not recorded.

    A trace that begins here is not recorded, so it need not be made for this.
    """
    if request.span is None and not names_trace(request.headers):
        return None
    trace = request.trace
    if trace is None or not trace.sampled:
        return None
    return bytes.fromhex(trace.trace_id), bytes.fromhex(trace.span_id), time.time()
