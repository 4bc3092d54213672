"""Format `datadog`: Datadog's reserved and standard attributes.

https://docs.datadoghq.com/logs/log_configuration/attributes_naming_convention/. `dd.trace_id` and
`dd.span_id` are the decimal form of the low 64 bits, which links a log to a trace of any age of
their tracers; the W3C ids stay beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.formats.shape import (
    Details,
    Request,
    Shape,
    error_message,
    error_type,
)
from podready.runtime.logs.formats.timestamp import rfc3339
from podready.runtime.severity import severity_of

if TYPE_CHECKING:
    from podready.runtime.logs.formats.service import Service
    from podready.runtime.logs.values import Event

OURS: Final = frozenset(
    {"timestamp", "status", "message", "logger", "service", "version", "env"}
    | {"dd", "dd.trace_id", "dd.span_id", "error", "http", "network", "duration"}
)
"""Names that a field of the app may not have."""


def shaper(service: Service) -> Shape:
    """Return the function that makes lines of this format for a service."""
    names = {"service": service.name, "version": service.version, "env": service.environment}
    identity = {key: value for key, value in names.items() if value}

    def shape(
        level: int, message: str, logger: str, seconds: float, fields: Event, more: Details | None
    ) -> Event:
        event: Event = {
            "timestamp": rfc3339(seconds),
            "status": severity_of(level).lower(),
            "message": message,
            "logger": _logger(logger, more),
            **identity,
        }
        if "trace_id" in fields:
            event["dd.trace_id"] = _decimal(fields["trace_id"])
            event["dd.span_id"] = _decimal(fields.get("span_id", ""))
        if more is not None:
            event |= _details(more)
        event.update(fields)
        return event

    return shape


def _decimal(identifier: object) -> str:
    """Return the low 64 bits of a hexadecimal id as Datadog writes them."""
    try:
        return str(int(str(identifier)[-16:], 16))
    except ValueError:
        return ""


def _logger(name: str, more: Details | None) -> dict[str, Any]:
    if more is None or more.source is None:
        return {"name": name}
    source = more.source
    return {
        "name": name,
        "method_name": source.function,
        "file_name": source.file,
        "line": source.line,
    }


def _details(more: Details) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if more.request is not None:
        found |= _request(more.request)
    trace = more.stack_trace()
    if more.error is not None:
        kind, said = error_type(more.error), error_message(more.error)
        found["error"] = {"kind": kind, "message": said, "stack": trace}
    elif trace:
        found["error"] = {"stack": trace}
    return found


def _request(request: Request) -> dict[str, Any]:
    http: dict[str, Any] = {
        "method": request.method,
        "url_details": {"path": request.path},
        "status_code": request.status,
    }
    if request.user_agent:
        http["useragent"] = request.user_agent
    if request.protocol:
        http["version"] = request.protocol.partition("/")[2]
    network: dict[str, Any] = {}
    if request.size is not None:
        network["bytes_written"] = request.size
    if request.client:
        network["client"] = {"ip": request.client}
    found: dict[str, Any] = {"http": http}
    if network:
        found["network"] = network
    if request.seconds is not None:
        found["duration"] = round(request.seconds * 1e9)
    return found
