"""The few headers of a request that podready itself reads."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from podready.contract import POD_HEADER
from podready.runtime.tracing.context import CLOUD_TRACE, TRACEPARENT, TRACESTATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ASKS_FOR_POD: Final = POD_HEADER.encode()
USER_AGENT: Final = b"user-agent"
REQUEST_ID: Final = b"x-request-id"
READ: Final = frozenset(
    {ASKS_FOR_POD, USER_AGENT, REQUEST_ID, TRACEPARENT, TRACESTATE, CLOUD_TRACE}
)

NONE: Final[Mapping[bytes, bytes]] = MappingProxyType({})
"""A caller sent none of them."""

UNKNOWN: Final[Mapping[bytes, bytes]] = MappingProxyType({})
"""Nobody has told us what the caller sent."""


def headers_read(headers: Iterable[tuple[bytes, bytes]] | None) -> Mapping[bytes, bytes]:
    """Return those of the headers that are read; repeated ones joined (RFC 9110, 5.3)."""
    if headers is None:
        return UNKNOWN
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in READ:
            found[name] = b"%b,%b" % (found[name], value) if name in found else value
    return found or NONE
