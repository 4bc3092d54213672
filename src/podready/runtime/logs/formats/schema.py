"""The walk over a line's details that otel, ecs and datadog share; a format is a table of names.

Dotted names stay dotted in otel and ecs, and become objects in datadog.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from podready.runtime.logs.formats.parts import ServedRequest
from podready.runtime.logs.values import Event, text

if TYPE_CHECKING:
    from podready.runtime.logs.encoder import Dumps
    from podready.runtime.logs.formats.parts import Details, Format, More

Schema = Callable[[int, str, str, float, Event, "More"], Event]
"""level, message, logger, Unix time, fields, details -> the line's object."""


class Names(NamedTuple):
    """What a format calls each part."""

    service: tuple[str, str, str]  # name, version, environment
    location: tuple[str, str, str]  # file, line, function
    request: tuple[str, str, str, str]  # method, path, status, bytes of the answer's body
    duration: str
    in_unit: Callable[[float], object]  # of the duration, from seconds
    client: tuple[str, str, str]  # address, user agent, version of the protocol: where known
    error: tuple[str, str]  # type, message
    stack: str

    def all(self) -> set[str]:
        """Return every name of this table."""
        groups = (self.service, self.location, self.request, self.client, self.error)
        return {self.duration, self.stack}.union(*groups)


def encoded(schema: Schema) -> Format:
    """Return the format whose lines are the objects that `schema` makes."""

    def format_(
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More,
        dumps: Dumps,
    ) -> bytes:
        return dumps(schema(level, message, logger, seconds, fields, more)) + b"\n"

    return format_


def details(more: Details | ServedRequest, names: Names) -> dict[str, Any]:
    """Return the details by their names; what is not known is left out."""
    if isinstance(more, ServedRequest):
        return _request(more, names)
    named: dict[str, Any] = {}
    if more.location is not None:
        named |= zip(names.location, more.location, strict=True)
    if more.error is not None:
        named |= zip(names.error, (_type(more.error), text(more.error)), strict=True)
    if trace := more.stack_trace():
        named[names.stack] = trace
    return named


def _request(request: ServedRequest, names: Names) -> dict[str, Any]:
    known = zip(names.request, request[:4], strict=True)
    fields: dict[str, Any] = {name: value for name, value in known if value is not None}
    if request.seconds is not None:
        fields[names.duration] = names.in_unit(request.seconds)
    version = request.protocol.partition("/")[2]
    client = zip(names.client, (request.client, request.user_agent, version), strict=True)
    return fields | {name: value for name, value in client if value}


def _type(error: BaseException) -> str:
    """Return an exception's class with its module, as OpenTelemetry and ECS want it."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def nested(named: dict[str, Any]) -> dict[str, Any]:
    """Return objects in objects for dotted names."""
    root: dict[str, Any] = {}
    for name, value in named.items():
        *path, last = name.split(".")
        holder = root
        for part in path:
            holder = holder.setdefault(part, {})
        holder[last] = value
    return root


def dropping(fields: Event, *names: str) -> Event:
    """Return the fields without those that a format writes under names of its own."""
    return {key: value for key, value in fields.items() if key not in names}
