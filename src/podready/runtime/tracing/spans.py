"""Spans of requests through OpenTelemetry's SDK, only where an exporter is configured.

One span for each HTTP request, by the stable semantic conventions, and none for single messages:
the usual ASGI middleware makes three and was measured to cost 3 to 5 times a small request. What
the app and its libraries trace becomes part of it, in coroutines and in threads of a WSGI app.

    OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT   turn it on
    OTEL_SDK_DISABLED=true, OTEL_TRACES_EXPORTER=none                 keep it off
    OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG    else one new trace in ten, and the caller's will
    OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_PROPAGATORS, OTEL_BSP_*   as everywhere
"""

from __future__ import annotations

import logging
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from podready._version import __version__
from podready.runtime.logs.stack import stack_trace
from podready.runtime.logs.values import text
from podready.runtime.metrics.http import METHODS, OTHER_METHOD
from podready.runtime.tracing.app_sdk import span_context
from podready.runtime.tracing.context import CLOUD_TRACE, NO_SPAN, callers_span
from podready.runtime.tracing.headers import relevant_headers
from podready.runtime.url_passwords import without_passwords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.runtime.asgi_types import Scope
    from podready.runtime.tracing.context import TraceContext

FLUSH_SECONDS: Final = 2.0
"""Seconds at the end of the stop for the last spans, of the hooks' time."""

RATIO: Final = 0.1
"""Share of new traces that are recorded; what a caller has decided is kept."""

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_NATIVE: Final = "fastapi.telemetry"
"""FastAPI (0.16x and later) makes a server span of its own unless the scope has this key."""

_CLOUD_TRACE: Final = CLOUD_TRACE.decode()
_DECIDED: Final = ";o="
"""Without it Google's header leaves the decision to us; as a parent it would say no."""

_HIGHEST_PORT: Final = 65_535

_log = logging.getLogger("podready.tracing")


def wants_traces(environ: Mapping[str, str]) -> bool:
    """Return whether the environment configures an exporter and does not switch tracing off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    listed = environ.get("OTEL_TRACES_EXPORTER", "").lower().split(",")
    exporters = {name.strip() for name in listed} - {""}
    return (not exporters or "otlp" in exporters) and any(map(environ.get, _ENDPOINTS))


def start_tracing(environ: Mapping[str, str]) -> Tracing | None:
    """Return the recorder of spans, or None where traces are not wanted or not possible.

    Call it after the app has been imported: one that has set a provider of its own keeps it, and
    traces its requests itself; the provider is then only flushed at the end. A missing package is
    a warning, for telemetry is no reason to keep an app from starting.
    """
    if not wants_traces(environ):
        return None
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:
        _log.warning(
            "%s is set, but traces need the 'otel' extra: pip install 'podready[otel]'",
            next(name for name in _ENDPOINTS if environ.get(name)),
        )
        return None
    provider = trace.get_tracer_provider()
    owned = not isinstance(provider, TracerProvider)
    try:
        if owned:
            provider = _provider(environ)
        tracing = None if provider is None else Tracing(provider, owned=owned)
    except Exception as error:  # noqa: BLE001 - the SDK raises what it likes for bad variables
        _log.warning("there will be no traces: %s: %s", type(error).__name__, error)
        return None
    if owned and provider is not None:
        trace.set_tracer_provider(provider)
    return tracing


def _provider(environ: Mapping[str, str]) -> Any:
    """Return a provider with OTLP export, None when its exporter is not installed."""
    from opentelemetry.sdk.trace import TracerProvider, sampling
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = _exporter(environ)
    if exporter is None:
        return None
    # Without an argument the SDK reads OTEL_TRACES_SAMPLER, whose default is to record everything.
    chosen = environ.get("OTEL_TRACES_SAMPLER")
    sampler = None if chosen else sampling.ParentBased(sampling.TraceIdRatioBased(RATIO))
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _exporter(environ: Mapping[str, str]) -> Any:
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    package = "grpc" if protocol == "grpc" else "http"
    try:
        module = import_module(f"opentelemetry.exporter.otlp.proto.{package}.trace_exporter")
    except ImportError:
        _log.warning(
            "traces over %s need a package that is not installed: "
            "pip install opentelemetry-exporter-otlp-proto-%s",
            protocol,
            package,
        )
        return None
    return module.OTLPSpanExporter()


class Tracing:
    """Makes the spans of requests, unless the app has a provider of its own."""

    def __init__(self, provider: Any, *, owned: bool) -> None:
        from opentelemetry import context, propagate, trace

        self._provider = provider
        self._owned = owned
        self._trace = trace
        self._context = context
        self._extract = propagate.extract
        self._tracer = provider.get_tracer("podready", __version__)

    def begin(self, scope: Scope) -> Span | None:
        """Begin the span of a request and make it current, in this task and what it starts."""
        if not self._owned:
            return None
        method = scope["method"]
        known = method if method in METHODS else OTHER_METHOD
        headers: Headers = scope["headers"]
        parent = self._extract(_carrier(headers))
        span = self._tracer.start_span(
            "HTTP" if known == OTHER_METHOD else known,
            context=parent,
            kind=self._trace.SpanKind.SERVER,
            attributes=_attributes(scope, known),
        )
        scope.setdefault(_NATIVE, None)
        token = self._context.attach(self._trace.set_span_in_context(span, parent))
        return Span(self, span, token)

    def end(self, span: Any, token: Any, outcome: Outcome) -> None:
        """End a span; called where it was begun."""
        self._context.detach(token)
        if span.is_recording():
            self._describe(span, outcome)
        span.end()

    def _describe(self, span: Any, outcome: Outcome) -> None:
        route, status, failure = outcome
        if route:
            span.set_attribute("http.route", route)
            span.update_name(f"{span.name} {route}")
        span.set_attribute("http.response.status_code", status)
        if failure is not None and isinstance(failure, Exception):
            span.record_exception(failure, attributes=_failure(failure))
            span.set_attribute("error.type", type(failure).__qualname__)
        elif status >= 500:
            span.set_attribute("error.type", str(status))
        if status >= 500 or failure is not None:
            span.set_status(self._trace.StatusCode.ERROR)

    def flush(self) -> None:
        """Send what is still here, within `FLUSH_SECONDS`; runs on a thread as the last hook.

        The SDK's own limit does not hold while its exporter waits for a server that is silent,
        so it gets a thread that may be left behind.
        """
        sender = threading.Thread(target=self._provider.force_flush, daemon=True)
        sender.start()
        sender.join(FLUSH_SECONDS * 0.9)
        if sender.is_alive():
            _log.warning("the last spans could not be sent in time")


Headers = list[tuple[bytes, bytes]]
Outcome = tuple[str, int, BaseException | None]
"""Route, status, and what the app raised."""


class Span:
    """The span of a request under way."""

    __slots__ = ("_span", "_token", "_tracing")

    def __init__(self, tracing: Tracing, span: Any, token: Any) -> None:
        self._tracing = tracing
        self._span = span
        self._token = token

    @property
    def context(self) -> TraceContext:
        """Its ids, for logs, exemplars and outgoing requests."""
        return span_context(self._span.get_span_context())

    def end(self, route: str, status: int, failure: BaseException | None) -> None:
        """End it."""
        self._tracing.end(self._span, self._token, (route, status, failure))


def _carrier(headers: Headers) -> dict[str, str]:
    """Return the headers as propagators want them; repeated ones joined (RFC 9110, 5.3).

    Google's header stands in for a `traceparent` that is missing or broken, when it names the
    caller and whether its trace is recorded.
    """
    carrier: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        carrier[name] = f"{carrier[name]},{value}" if name in carrier else value
    if _CLOUD_TRACE in carrier and _DECIDED in carrier[_CLOUD_TRACE]:
        caller = callers_span(relevant_headers(headers))
        if caller is not None and caller.span_id != NO_SPAN:
            carrier["traceparent"] = caller.header
    return carrier


def _attributes(scope: Scope, method: str) -> dict[str, str | int]:
    """Return what is known when the request comes; not the query, which may carry secrets."""
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version", ""),
    }
    if method == OTHER_METHOD:
        attributes["http.request.method_original"] = scope["method"]
    if client := scope.get("client"):
        attributes["client.address"] = client[0]
    for name, value in scope["headers"]:
        if name == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")
        elif name == b"host":
            attributes |= _server(value.decode("latin-1"))
    return attributes


def _failure(failure: Exception) -> dict[str, str]:
    """Return what the span says of an exception: as in the log, without passwords of URLs."""
    return {
        "exception.message": _masked(text(failure)),
        "exception.stacktrace": _masked(stack_trace(failure)),
    }


def _masked(words: str) -> str:
    return without_passwords(words.encode("utf-8", "replace")).decode()


def _server(host: str) -> dict[str, str | int]:
    """Return the attributes in a Host header: `shop`, `shop:8000` or `[::1]:8000`."""
    address, _, port = host.rpartition(":")
    if address and port.isdecimal() and len(port) <= 5 and int(port) <= _HIGHEST_PORT:
        return {"server.address": address.strip("[]"), "server.port": int(port)}
    return {"server.address": host.strip("[]")}
