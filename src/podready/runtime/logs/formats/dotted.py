"""Details of a line under dotted names, as OpenTelemetry and Elastic want them.

Both tell the same in the same order; a format is a table of names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from podready.runtime.logs.formats.shape import Details, Request, error_message, error_type


class Names(NamedTuple):
    """What a format calls each part."""

    source: tuple[str, str, str]  # file, line, function
    request: tuple[str, str, str, str]  # method, path, status, bytes of the answer's body
    duration: str
    in_unit: Callable[[float], object]  # of the duration, from seconds
    client: tuple[str, str, str]  # address, user agent, version of the protocol: where known
    error: tuple[str, str]  # type, message
    stack: str

    def all(self) -> set[str]:
        """Return every name of this table."""
        return {*self.source, *self.request, self.duration, *self.client, *self.error, self.stack}


def dotted(more: Details, names: Names) -> dict[str, Any]:
    """Return the details by their names; what is not known is left out."""
    found: dict[str, Any] = {}
    if more.source is not None:
        found |= zip(names.source, more.source, strict=True)
    if more.request is not None:
        found |= _request(more.request, names)
    if more.error is not None:
        said = error_type(more.error), error_message(more.error)
        found |= zip(names.error, said, strict=True)
    if trace := more.stack_trace():
        found[names.stack] = trace
    return found


def _request(request: Request, names: Names) -> dict[str, Any]:
    known = zip(names.request, request[:4], strict=True)
    fields: dict[str, Any] = {name: value for name, value in known if value is not None}
    if request.seconds is not None:
        fields[names.duration] = names.in_unit(request.seconds)
    version = request.protocol.partition("/")[2]
    client = zip(names.client, (request.client, request.user_agent, version), strict=True)
    return fields | {name: value for name, value in client if value}
