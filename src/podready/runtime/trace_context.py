"""W3C Trace Context: what a request says about the trace that it is part of.

https://www.w3.org/TR/trace-context/ section 3.2. A header that breaks its rules is ignored, as
the specification asks. A request without one has no trace: it is not ours to begin one that
nobody records, and a made-up header would tell everybody behind us what not to sample.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HEADER: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_SAMPLED: Final = 1
_MOST_STATE_BYTES: Final = 512
"""What every participant must pass on at least; longer ones are dropped whole."""


class TraceContext(NamedTuple):
    """One span of a trace: the caller's, or that of the request under way."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    @property
    def header(self) -> str:
        """The value of `traceparent` for a request to the next service."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def log_fields(self) -> dict[str, object]:
        """Return the fields that every log line of the request gets."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "trace_sampled": self.sampled,
        }


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
    state = state if len(state) <= _MOST_STATE_BYTES else b""
    return TraceContext(
        trace_id.decode(),
        span_id.decode(),
        bool(int(flags, 16) & _SAMPLED),
        state.decode("latin-1"),
    )
