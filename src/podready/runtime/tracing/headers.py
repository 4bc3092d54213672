"""The request headers that podready itself reads."""

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
RELEVANT: Final = frozenset(
    {ASKS_FOR_POD, USER_AGENT, REQUEST_ID, TRACEPARENT, TRACESTATE, CLOUD_TRACE}
)

NO_HEADERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})
"""The caller sent none of them."""

UNKNOWN_HEADERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})
"""The headers of the caller are not known: a task has none, nor has a scope without them."""


def relevant_headers(headers: Iterable[tuple[bytes, bytes]] | None) -> Mapping[bytes, bytes]:
    """Return the relevant ones of the headers; repeated ones are joined (RFC 9110, 5.3)."""
    if headers is None:
        return UNKNOWN_HEADERS
    relevant: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in RELEVANT:
            repeated = name in relevant
            relevant[name] = b"%b,%b" % (relevant[name], value) if repeated else value
    return relevant or NO_HEADERS
