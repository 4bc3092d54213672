"""Format `gcp`: the names that Cloud Logging and Error Reporting read from a line of JSON.

https://cloud.google.com/logging/docs/structured-logging and, for httpRequest,
https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#HttpRequest. It is the default
in a container: `severity`, `message` and `time` are what most collectors look for anyway.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.formats.shape import Details, Request, Shape
from podready.runtime.logs.formats.timestamp import rfc3339
from podready.runtime.severity import LEVELS, severity_of

if TYPE_CHECKING:
    from podready.runtime.logs.formats.service import Service
    from podready.runtime.logs.values import Event

_PREFIX: Final = "logging.googleapis.com/"
LABELS: Final = f"{_PREFIX}labels"
TRACE: Final = f"{_PREFIX}trace"
SPAN: Final = f"{_PREFIX}spanId"
SAMPLED: Final = f"{_PREFIX}trace_sampled"
SPECIAL: Final = frozenset({LABELS, TRACE, SPAN, SAMPLED})
"""Names that an app may use, and whose values are brought together with ours."""

OURS: Final = frozenset({"severity", "message", "time", "logger", "stack_trace", "httpRequest"})
"""Names that a field of the app may not have; others of ours it may have in lines without them."""


def shaper(service: Service) -> Shape:
    """Return the function that makes lines of this format for a service."""
    labels = _labels(service)
    words = {level: word for word, level in LEVELS.items()}
    context = {"service": service.name, "version": service.version} if service.name else None
    traces = trace_prefix(service)

    def shape(
        level: int, message: str, logger: str, seconds: float, fields: Event, more: Details | None
    ) -> Event:
        event: Event = {
            "severity": words.get(level) or severity_of(level),
            "message": message,
            "time": rfc3339(seconds),
            "logger": logger,
            **fields,
        }
        if traces and "trace_id" in fields:
            for name, value in named_trace(fields, traces).items():
                _put(event, name, value)
        if labels:
            given = event.get(LABELS)
            if isinstance(given, dict):
                event[LABELS] = {**labels, **given}
            else:
                _put(event, LABELS, labels)
        if more is not None:
            _add_details(event, more, context if level >= 40 else None)
        return event

    return shape


def labels_text(service: Service) -> str:
    """Return the labels as a piece of JSON to put between two keys, empty without labels."""
    labels = _labels(service)
    return f',"{LABELS}":{json.dumps(labels)}' if labels else ""


def trace_prefix(service: Service) -> str:
    """Return what stands before a trace id in Cloud Trace's name of it, empty without project."""
    return f"projects/{service.project}/traces/" if service.project else ""


def traces_text(service: Service) -> str:
    """Return the same as it stands inside of a JSON text."""
    return json.dumps(trace_prefix(service))[1:-1]


def _labels(service: Service) -> dict[str, str]:
    names = {"service": service.name, "version": service.version, "env": service.environment}
    return {key: value for key, value in names.items() if value}


def _put(event: Event, name: str, value: object) -> None:
    """Set what is ours; what the app has there is moved to the name with an underscore."""
    if name in event:
        free = f"{name}_"
        while free in event:
            free += "_"
        event[free] = event[name]
    event[name] = value


def named_trace(fields: Event, traces: str) -> Event:
    """Return the trace of the fields by Cloud Trace's names, which stand beside the bare ids."""
    trace_id = fields["trace_id"]
    if not isinstance(trace_id, str):
        return {}  # a field of the app that happens to have this name
    names = {SPAN: "span_id", SAMPLED: "trace_sampled"}
    named = {key: fields[name] for key, name in names.items() if name in fields}
    return {TRACE: f"{traces}{trace_id}", **named}


def _add_details(event: Event, more: Details, context: dict[str, str] | None) -> None:
    if more.source is not None:
        place = {"file": more.source.file, "line": str(more.source.line)}
        _put(event, f"{_PREFIX}sourceLocation", {**place, "function": more.source.function})
    if more.request is not None:
        event["httpRequest"] = http_request(more.request)
    trace = more.stack_trace()
    if trace:
        event["stack_trace"] = trace
        if context is not None:
            _put(event, "serviceContext", context)


def http_request(request: Request) -> dict[str, Any]:
    """Return LogEntry.httpRequest: sizes as strings, latency in seconds with an `s`."""
    fields: dict[str, Any] = {
        "requestMethod": request.method,
        "requestUrl": request.path,
        "status": request.status,
    }
    if request.size is not None:
        fields["responseSize"] = str(request.size)
    if request.seconds is not None:
        fields["latency"] = f"{request.seconds:.6f}s"
    optional = {
        "remoteIp": request.client,
        "userAgent": request.user_agent,
        "protocol": request.protocol,
    }
    return fields | {key: value for key, value in optional.items() if value}
