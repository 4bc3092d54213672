"""W3C Trace Context: the trace that a request is part of, and the ids of requests.

https://www.w3.org/TR/trace-context-2/ sections 3.2 to 3.5. A request is a span of its own: it has
a new span id, its caller's is the parent. One that brings no valid header begins a trace that is
not recorded; see docs/decisions/0016. Google's load balancers have a header of their own, which
counts where there is no valid `traceparent`:
https://cloud.google.com/trace/docs/trace-context#legacy-http-header
"""

from __future__ import annotations

import os
import random
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
CLOUD_TRACE: Final = b"x-cloud-trace-context"

_HEADER: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_CLOUD_HEADER: Final = re.compile(
    rb"(?!0{32})([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]{1,3}))?"
)
_SAMPLED: Final = 1
_RANDOM: Final = 2
_MEMBER: Final = re.compile(
    rb"[a-z0-9][a-z0-9_*/@-]{0,255}="
    rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MAX_MEMBERS: Final = 32
_MAX_STATE_BYTES: Final = 512
_MAX_MEMBER_BYTES: Final = 128
"""The specification's: at least so much is passed on, and longer members are left out first."""

NO_SPAN: Final = "0" * 16
"""The caller's span where it did not name one, which only Google's header allows."""


class TraceContext(NamedTuple):
    """One span of a trace: the caller's, or that of the request under way."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""
    random: bool = False  # the last seven bytes of the trace id are; it must not be changed

    @property
    def header(self) -> str:
        """The value of `traceparent` for a request to the next service."""
        return f"00-{self.trace_id}-{self.span_id}-0{self.sampled + _RANDOM * self.random}"

    def log_fields(self) -> dict[str, object]:
        """Return the fields that every log line of the request gets."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "trace_sampled": self.sampled,
        }


_random: Final = random.Random()  # noqa: S311 - ids are no secrets, and urandom is a system call
os.register_at_fork(after_in_child=_random.seed)

_random_bits: Final = _random.getrandbits
"""An own generator, whatever an app does to `random`'s; one call costs about 0.1 us."""


def new_request_id() -> str:
    """Return 128 random bits in hexadecimal."""
    return _random_bits(128).to_bytes(16, "big").hex()


_new: Final = tuple.__new__
"""A NamedTuple's own constructor is a Python function; each request makes one."""


def begin_trace() -> TraceContext:
    """Return the first span of a new trace, which is not recorded.

    All zeros, which the specification forbids, are as likely as any other id: once in 2^64.
    """
    ids = _random_bits(192).to_bytes(24, "big").hex()
    return _new(TraceContext, (ids[:32], ids[32:], False, "", True))


def continue_trace(caller: TraceContext) -> TraceContext:
    """Return a new span whose parent is the caller's; nothing else changes."""
    trace_id, _, sampled, state, random = caller
    span_id = _random_bits(64).to_bytes(8, "big").hex()
    return _new(TraceContext, (trace_id, span_id, sampled, state, random))


def callers_span(headers: Mapping[bytes, bytes]) -> TraceContext | None:
    """Return the span that a request's headers name; repeated ones are joined by commas."""
    if TRACEPARENT in headers:
        found = parse_traceparent(headers[TRACEPARENT], headers.get(TRACESTATE, b""))
        if found is not None:
            return found
    return parse_cloud_trace(headers[CLOUD_TRACE]) if CLOUD_TRACE in headers else None


def names_trace(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether there is a header that `callers_span` reads."""
    return TRACEPARENT in headers or CLOUD_TRACE in headers


def parse_traceparent(value: bytes, state: bytes = b"") -> TraceContext | None:
    """Return the context in a `traceparent` header and its `tracestate`, None when it is invalid.

    Version 00 is exactly 55 characters; later ones may go on after a dash.
    """
    match = _HEADER.fullmatch(value.strip(b" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == b"00" and more is not None:
        return None
    bits = int(flags, 16)
    return TraceContext(
        trace_id.decode(),
        span_id.decode(),
        bool(bits & _SAMPLED),
        _passed_on(state) if state else "",
        bool(bits & _RANDOM),
    )


def parse_cloud_trace(value: bytes) -> TraceContext | None:
    """Return the context in `X-Cloud-Trace-Context: TRACE_ID/SPAN_ID;o=OPTIONS`.

    The span id is decimal, and 0 for a caller that has none; None for an invalid header.
    """
    match = _CLOUD_HEADER.fullmatch(value.strip(b" \t"))
    if match is None:
        return None
    trace_id, span, options = match.groups()
    number = int(span or 0)
    if number >= 1 << 64:
        return None
    sampled = bool(int(options or 0) & _SAMPLED)
    return TraceContext(trace_id.decode().lower(), f"{number:016x}", sampled)


def _passed_on(state: bytes) -> str:
    """Return a `tracestate` as it goes on: unchanged, unless it is invalid or too long.

    An invalid one may be discarded; passed on, it could end an HTTP client with an error.
    """
    state = state.strip(b" \t")
    members = [member for each in state.split(b",") if (member := each.strip(b" \t"))]
    if len(members) > _MAX_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return ""
    return (state if len(state) <= _MAX_STATE_BYTES else _shortened(members)).decode()


def _shortened(members: list[bytes]) -> bytes:
    """Leave whole members out: long ones first, then from the end."""
    room = _MAX_STATE_BYTES + 1
    kept = []
    for member in members:
        if len(member) > _MAX_MEMBER_BYTES:
            continue
        room -= len(member) + 1
        if room < 0:
            break
        kept.append(member)
    return b",".join(kept)
