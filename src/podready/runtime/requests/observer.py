"""Everything that is measured about one request, from its head to the end of its answer."""

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


class Observer:
    """Observes requests; with neither metrics nor tracing it does nothing.

    What it knows of a request hangs on the request, so that observing one makes no object.
    """

    def __init__(self, metrics: HttpMetrics | None = None, tracing: Tracing | None = None) -> None:
        self._metrics = metrics
        self._doors = metrics.doors if metrics is not None else {}
        self._tracing = tracing

    def begin(self, work: HttpRequest | WsgiRequest, scope: Scope) -> None:
        """Begin to observe a request."""
        if self._tracing is not None:
            work.span = span = self._tracing.begin(scope)
            if span is not None:
                work.join(span.context)
        if self._metrics is not None:
            method_and_scheme = (scope["method"], scope.get("scheme", "http"))
            door = self._doors.get(method_and_scheme) or self._metrics.door(scope)
            door.active[0] += 1.0
            work.door = door

    def end(
        self, work: HttpRequest | WsgiRequest, scope: Scope, failure: BaseException | None
    ) -> None:
        """Count the request and end its span; in the task that began it."""
        door = work.door
        if door is not None:
            seconds = _monotonic() - work.started
            door.active[0] -= 1.0
            route, status = work.route or route_in(scope), work.status
            mark = _mark(work) if work.said or work.span is not None else None
            (door.cells.get((route, status)) or door.open(route, status)).observe(seconds, mark)
        if work.span is not None:
            work.span.end(work.route or route_in(scope), work.status, failure)


def _mark(work: HttpRequest | WsgiRequest) -> Mark | None:
    """Return what makes a request an exemplar: only a trace that somebody records.

    One that begins here is not, so that it need not be made for this.
    """
    if work.span is None and not names_trace(work.said):
        return None
    trace = work.trace
    if trace is None or not trace.sampled:
        return None
    return bytes.fromhex(trace.trace_id), bytes.fromhex(trace.span_id), time.time()
