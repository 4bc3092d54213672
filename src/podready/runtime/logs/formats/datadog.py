"""Format `datadog`: Datadog's reserved and standard attributes.

https://docs.datadoghq.com/logs/log_configuration/attributes_naming_convention/. `dd.trace_id` and
`dd.span_id` are the decimal form of the low 64 bits, which links a log to a trace of any age of
their tracers; the W3C ids stay beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.logs.formats.schema import Names, details, encoded, nested
from podready.runtime.logs.formats.timestamp import rfc3339
from podready.runtime.severity import severity_of

if TYPE_CHECKING:
    from podready.runtime.logs.formats.parts import Format, More
    from podready.runtime.logs.formats.service import Service
    from podready.runtime.logs.values import Event

NAMES: Final = Names(
    service=("service", "version", "env"),
    location=("logger.file_name", "logger.line", "logger.method_name"),
    request=("http.method", "http.url_details.path", "http.status_code", "network.bytes_written"),
    duration="duration",
    in_unit=lambda seconds: round(seconds * 1e9),
    client=("network.client.ip", "http.useragent", "http.version"),
    error=("error.kind", "error.message"),
    stack="error.stack",
)

RESERVED: Final = frozenset(
    {"timestamp", "status", "message", "dd", "dd.trace_id", "dd.span_id"}
    | {name.partition(".")[0] for name in NAMES.all()}
)
"""Names that a field of the app may not have."""


def formatter(service: Service) -> Format:
    """Return the function that makes lines of this format for a service."""
    identity = service.named(*NAMES.service)

    def schema(
        level: int, message: str, logger: str, seconds: float, fields: Event, more: More
    ) -> Event:
        event: Event = {
            "timestamp": rfc3339(seconds),
            "status": severity_of(level).lower(),
            "message": message,
            "logger": {"name": logger},
            **identity,
        }
        if "trace_id" in fields:
            event["dd.trace_id"] = _decimal(fields["trace_id"])
            event["dd.span_id"] = _decimal(fields.get("span_id", ""))
        if more is not None:
            event |= nested({"logger.name": logger, **details(more, NAMES)})
        event.update(fields)
        return event

    return encoded(schema)


def _decimal(identifier: object) -> str:
    """Return the low 64 bits of a hexadecimal id as Datadog writes them."""
    try:
        return str(int(str(identifier)[-16:], 16))
    except ValueError:
        return ""
