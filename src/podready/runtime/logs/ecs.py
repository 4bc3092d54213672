"""Format `ecs`: the Elastic Common Schema, as ecs-logging writes it.

https://www.elastic.co/docs/reference/ecs and https://github.com/elastic/ecs-logging: the first
three keys in this order, dotted names, fields of the app beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.log_severity import severity_of
from podready.runtime.logs.shape import (
    Details,
    Request,
    Shape,
    dropping,
    error_message,
    error_type,
)
from podready.runtime.logs.timestamp import rfc3339

if TYPE_CHECKING:
    from podready.runtime.logs.encoder import Event
    from podready.runtime.logs.service import Service

OURS: Final = frozenset(
    {"@timestamp", "log.level", "message", "ecs.version", "log.logger", "trace.id", "span.id"}
    | {"service.name", "service.version", "service.environment", "http.request.id"}
    | {"log.origin.file.name", "log.origin.file.line", "log.origin.function"}
    | {"error.type", "error.message", "error.stack_trace"}
)
"""Names that a field of the app may not have."""

VERSION: Final = "8.11.0"
"""The schema's version whose names these are."""


def shaper(service: Service) -> Shape:
    """Return the function that makes lines of this format for a service."""
    names = {
        "service.name": service.name,
        "service.version": service.version,
        "service.environment": service.environment,
    }
    identity = {key: value for key, value in names.items() if value}

    def shape(
        level: int, message: str, logger: str, seconds: float, fields: Event, more: Details | None
    ) -> Event:
        event: Event = {
            "@timestamp": rfc3339(seconds),
            "log.level": "trace" if level < 10 else severity_of(level).lower(),
            "message": message,
            "ecs.version": VERSION,
            "log.logger": logger,
            **identity,
        }
        if "trace_id" in fields:
            event["trace.id"] = fields["trace_id"]
            event["span.id"] = fields.get("span_id", "")
            fields = dropping(fields, "trace_id", "span_id", "trace_sampled")
        if "request_id" in fields:
            event["http.request.id"] = fields["request_id"]
            fields = dropping(fields, "request_id")
        if more is not None:
            event |= _details(more)
        event.update(fields)
        return event

    return shape


def _details(more: Details) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if more.source is not None:
        found["log.origin.file.name"] = more.source.file
        found["log.origin.file.line"] = more.source.line
        found["log.origin.function"] = more.source.function
    if more.request is not None:
        found |= _request(more.request)
    if more.error is not None:
        found["error.type"] = error_type(more.error)
        found["error.message"] = error_message(more.error)
    if trace := more.stack_trace():
        found["error.stack_trace"] = trace
    return found


def _request(request: Request) -> dict[str, Any]:
    fields = {
        "http.request.method": request.method,
        "url.path": request.path,
        "http.response.status_code": request.status,
        "http.response.body.bytes": request.size,
        "event.duration": round(request.seconds * 1e9),
    }
    optional = {
        "client.ip": request.client,
        "user_agent.original": request.user_agent,
        "http.version": request.protocol.partition("/")[2],
    }
    return fields | {key: value for key, value in optional.items() if value}
