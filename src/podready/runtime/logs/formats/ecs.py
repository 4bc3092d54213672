"""Format `ecs`: the Elastic Common Schema, as ecs-logging writes it.

https://www.elastic.co/docs/reference/ecs and https://github.com/elastic/ecs-logging: the first
three keys in this order, dotted names, fields of the app beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.logs.formats.schema import Names, details, dropping, encoded
from podready.runtime.logs.formats.timestamp import rfc3339
from podready.runtime.severity import severity_of

if TYPE_CHECKING:
    from podready.runtime.logs.formats.parts import Format, More
    from podready.runtime.logs.formats.service import Service
    from podready.runtime.logs.values import Event

NAMES: Final = Names(
    service=("service.name", "service.version", "service.environment"),
    location=("log.origin.file.name", "log.origin.file.line", "log.origin.function"),
    request=(
        "http.request.method",
        "url.path",
        "http.response.status_code",
        "http.response.body.bytes",
    ),
    duration="event.duration",
    in_unit=lambda seconds: round(seconds * 1e9),
    client=("client.ip", "user_agent.original", "http.version"),
    error=("error.type", "error.message"),
    stack="error.stack_trace",
)

_WRITTEN: Final = NAMES.all() | {
    *("@timestamp", "log.level", "message", "ecs.version", "log.logger", "trace.id", "span.id"),
    "http.request.id",
}

RESERVED: Final = frozenset(_WRITTEN | {name.partition(".")[0] for name in _WRITTEN})
"""Names that a field of the app may not have.

`error` is one of them: beside `error.type` Elasticsearch takes it for an object, and refuses the
whole document when it is a text.
"""

VERSION: Final = "8.11.0"
"""The schema's version whose names these are."""


def formatter(service: Service) -> Format:
    """Return the function that makes lines of this format for a service."""
    identity = service.named(*NAMES.service)

    def schema(
        level: int, message: str, logger: str, seconds: float, fields: Event, more: More
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
            event |= details(more, NAMES)
        event.update(fields)
        return event

    return encoded(schema)
