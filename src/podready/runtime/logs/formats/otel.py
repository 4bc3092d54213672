"""Format `otel`: OpenTelemetry's log data model as JSON, one object a line.

https://opentelemetry.io/docs/specs/otel/logs/data-model/ with attribute names of the stable
semantic conventions; not OTLP, which has an envelope around many lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.logs.formats.schema import Names, details, dropping, encoded
from podready.runtime.logs.formats.timestamp import rfc3339

if TYPE_CHECKING:
    from podready.runtime.logs.formats.parts import Format, More
    from podready.runtime.logs.formats.service import Service
    from podready.runtime.logs.values import Event

RESERVED: Final = frozenset[str]()
"""The app's fields are in an object of their own, `attributes`, where the details' names win."""

NAMES: Final = Names(
    service=("service.name", "service.version", "deployment.environment.name"),
    location=("code.file.path", "code.line.number", "code.function.name"),
    request=(
        "http.request.method",
        "url.path",
        "http.response.status_code",
        "http.response.body.size",
    ),
    duration="http.server.request.duration",
    in_unit=lambda seconds: round(seconds, 6),
    client=("client.address", "user_agent.original", "network.protocol.version"),
    error=("exception.type", "exception.message"),
    stack="exception.stacktrace",
)

_SEVERITIES: Final = (
    (70, 21, "FATAL"),
    (60, 19, "ERROR3"),
    (50, 21, "FATAL"),
    (40, 17, "ERROR"),
    (30, 13, "WARN"),
    (25, 10, "INFO2"),
    (20, 9, "INFO"),
    (10, 5, "DEBUG"),
)


def severity(level: int) -> tuple[int, str]:
    """Return SeverityNumber and SeverityText of a Python level."""
    return next(
        ((number, name) for lowest, number, name in _SEVERITIES if level >= lowest), (1, "TRACE")
    )


def formatter(service: Service) -> Format:
    """Return the function that makes lines of this format for a service."""
    resource = service.named(*NAMES.service)

    def schema(
        level: int, message: str, logger: str, seconds: float, fields: Event, more: More
    ) -> Event:
        number, name = severity(level)
        event: Event = {
            "timestamp": rfc3339(seconds),
            "severity_text": name,
            "severity_number": number,
            "body": message,
        }
        if "trace_id" in fields:
            event["trace_id"] = fields["trace_id"]
            event["span_id"] = fields.get("span_id", "")
            event["trace_flags"] = "01" if fields.get("trace_sampled") else "00"
            fields = dropping(fields, "trace_id", "span_id", "trace_sampled")
        event["resource"] = resource
        event["scope"] = {"name": logger}
        event["attributes"] = fields if more is None else {**fields, **details(more, NAMES)}
        return event

    return encoded(schema)
