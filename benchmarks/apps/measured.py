"""The raw app behind one way to measure requests, chosen by the variable MEASURED.

All ways are the same kind of middleware, so that what differs is the counting:

    none              the app as it is
    pass              a middleware that only watches the status and the time
    podready          our cells in shared memory
    prometheus        prometheus_client, a histogram child by .labels() for each request
    prometheus-cached the same with children kept in a dict
    json-log          an access line by python-json-logger, as its documentation sets it up
    otel-traces       OpenTelemetry's ASGI middleware: always on, batched, exported to nowhere
    otel-sampled      the same with a parent-based ratio of 1 % and no receive and send spans
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.apps.raw import app as raw

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Count = Callable[[Scope, int, float], None]


def measured(app: App, count: Count) -> App:
    """Return `app` with `count` called after each request: scope, status, seconds."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status = 500
        began = time.monotonic()

        async def watch(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watch)
        finally:
            count(scope, status, time.monotonic() - began)

    return middleware


def with_pass(app: App) -> App:
    """Return the app behind a middleware that counts nothing."""
    return measured(app, lambda _scope, _status, _seconds: None)


def with_podready(app: App) -> App:
    """Return the app with our cells."""
    from podready.runtime.metrics.http import HttpMetrics
    from podready.runtime.metrics.shared import MetricsSegment

    metrics = HttpMetrics(MetricsSegment())

    def count(scope: Scope, status: int, seconds: float) -> None:
        series = metrics.series_of(scope)
        series.active[0] += 1.0
        series.active[0] -= 1.0
        cell = series.cells.get(("/", status)) or series.add("/", status)
        cell.observe(seconds)

    return measured(app, count)


def with_prometheus(app: App, *, cached: bool) -> App:
    """Return the app with prometheus_client: the histogram and the gauge of the others."""
    from prometheus_client import Gauge, Histogram

    names = ("method", "route", "status", "scheme")
    buckets = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    duration = Histogram("http_server_request_duration_seconds", "x", names, buckets=buckets)
    active = Gauge("http_server_active_requests", "x", ("method", "scheme"))
    kept: dict[Any, Any] = {}

    def child(family: Any, *values: str) -> Any:
        if not cached:
            return family.labels(*values)
        key = (family, values)
        if key not in kept:
            kept[key] = family.labels(*values)
        return kept[key]

    def count(scope: Scope, status: int, seconds: float) -> None:
        under_way = child(active, scope["method"], scope["scheme"])
        under_way.inc()
        under_way.dec()
        child(duration, scope["method"], "/", str(status), scope["scheme"]).observe(seconds)

    return measured(app, count)


def with_json_log(app: App) -> App:
    """Return the app with one JSON line a request on stdout."""
    import logging
    import sys

    from pythonjsonlogger.json import JsonFormatter

    logger = logging.getLogger("access")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False

    def log(scope: Scope, status: int, seconds: float) -> None:
        method, path, client = scope["method"], scope["path"], scope["client"]
        facts = {"method": method, "path": path, "status": status, "seconds": seconds}
        logger.info("%s %s %s", method, path, status, extra={**facts, "client": client[0]})

    return measured(app, log)


def with_otel(app: App, *, sampled: bool) -> App:
    """Return the app behind OpenTelemetry's own ASGI middleware."""
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            _: list[ReadableSpan] = list(spans)
            return SpanExportResult.SUCCESS

    ratio = sampling.ParentBased(sampling.TraceIdRatioBased(0.01))
    provider = TracerProvider(sampler=ratio if sampled else None)
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    without: Any = ["receive", "send"] if sampled else None
    made: Any = OpenTelemetryMiddleware(app, tracer_provider=provider, exclude_spans=without)
    return made  # type: ignore[no-any-return]


WAYS: dict[str, Callable[[App], App]] = {
    "none": lambda app: app,
    "pass": with_pass,
    "podready": with_podready,
    "prometheus": lambda app: with_prometheus(app, cached=False),
    "prometheus-cached": lambda app: with_prometheus(app, cached=True),
    "json-log": with_json_log,
    "otel-traces": lambda app: with_otel(app, sampled=False),
    "otel-sampled": lambda app: with_otel(app, sampled=True),
}

app: App = WAYS[os.environ.get("MEASURED", "none")](raw)
