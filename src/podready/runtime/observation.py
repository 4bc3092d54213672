"""Everything that is measured about one request, from its head to the end of its answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from podready.runtime.route import route_of
from podready.runtime.trace_context import parse_traceparent

if TYPE_CHECKING:
    from podready.runtime.http_metrics import HttpMetrics
    from podready.runtime.http_request import HttpRequest
    from podready.runtime.inflight import Scope
    from podready.runtime.trace_context import TraceContext
    from podready.runtime.tracing import Tracing
    from podready.runtime.wsgi_face import WsgiRequest

_TRACEPARENT = b"traceparent"
_TRACESTATE = b"tracestate"


class Observer:
    """Observes requests; with neither metrics nor tracing it only reads the trace's ids.

    What it knows of a request hangs on the request, so that observing one makes no object.
    """

    def __init__(self, metrics: HttpMetrics | None = None, tracing: Tracing | None = None) -> None:
        self._metrics = metrics
        self._tracing = tracing

    def begin(self, work: HttpRequest | WsgiRequest, scope: Scope) -> None:
        """Begin to observe a request; from now on it has its trace context."""
        if self._tracing is not None:
            work.span = self._tracing.begin(scope)
        if work.span is not None:
            work.trace = work.span.context
        elif work.traced:
            work.trace = _callers_trace(scope)
        if self._metrics is not None:
            work.door = door = self._metrics.door(scope)
            door.enter()

    def end(self, work: HttpRequest | WsgiRequest, failure: BaseException | None) -> None:
        """Count the request and end its span; in the task that began it."""
        if work.door is None and work.span is None:
            return
        route = route_of(work)
        if work.door is not None:
            trace = work.trace
            mark = None
            if trace is not None and trace.sampled:
                mark = (bytes.fromhex(trace.trace_id), bytes.fromhex(trace.span_id), time.time())
            work.door.leave(route, work.status, time.monotonic() - work.started, mark)
        if work.span is not None:
            work.span.end(route, work.status, failure)


def _callers_trace(scope: Scope) -> TraceContext | None:
    """Read the trace context that the caller sent."""
    parent, state = b"", b""
    for name, value in scope["headers"]:
        if name == _TRACEPARENT:
            parent = value
        elif name == _TRACESTATE:
            state = state + b"," + value if state else value
    return parse_traceparent(parent, state)
