"""Everything that is measured about one request, from its head to the end of its answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from podready.runtime.route import route_of
from podready.runtime.trace_context import parse_traceparent

if TYPE_CHECKING:
    from podready.runtime.http_metrics import Door, HttpMetrics
    from podready.runtime.inflight import Work
    from podready.runtime.tracing import Span, Tracing

_TRACEPARENT = b"traceparent"
_TRACESTATE = b"tracestate"


class Observer:
    """Begins observations; with neither metrics nor tracing it only reads the trace's ids."""

    def __init__(self, metrics: HttpMetrics | None = None, tracing: Tracing | None = None) -> None:
        self._metrics = metrics
        self._tracing = tracing

    def begin(self, work: Work) -> Observation:
        """Begin to observe a request; from now on it has its trace context."""
        assert work.scope is not None
        span = self._tracing.begin(work.scope) if self._tracing is not None else None
        if span is not None:
            work.trace = span.context
        else:
            _take_trace(work)
        door = self._metrics.door(work.scope) if self._metrics is not None else None
        if door is not None:
            door.enter()
        return Observation(work, door, span)


class Observation:
    """One request under way."""

    __slots__ = ("_door", "_span", "_work", "failure")

    def __init__(self, work: Work, door: Door | None, span: Span | None) -> None:
        self._work = work
        self._door = door
        self._span = span
        self.failure: BaseException | None = None

    def end(self, status: int) -> None:
        """Count the request and end its span; in the task that began it."""
        if self._door is None and self._span is None:
            return
        work = self._work
        route = route_of(work)
        if self._door is not None:
            trace = work.trace
            mark = None
            if trace is not None and trace.sampled:
                mark = (bytes.fromhex(trace.trace_id), bytes.fromhex(trace.span_id), time.time())
            self._door.leave(route, status, time.monotonic() - work.started, mark)
        if self._span is not None:
            self._span.end(route, status, self.failure)


def _take_trace(work: Work) -> None:
    """Read the caller's trace context, if it sent one."""
    assert work.scope is not None
    parent, state = b"", b""
    for name, value in work.scope["headers"]:
        if name == _TRACEPARENT:
            parent = value
        elif name == _TRACESTATE:
            state = state + b"," + value if state else value
    if parent:
        work.trace = parse_traceparent(parent, state)
