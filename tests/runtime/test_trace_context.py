"""W3C Trace Context, by the rules and the examples of its specification."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.runtime.inflight import CURRENT, Kind, Work
from podready.runtime.propagation import outgoing_headers
from podready.runtime.trace_context import parse_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),  # level 2: sampled and random
        (f"00-{TRACE}-{SPAN}-02", False),
        (f" 00-{TRACE}-{SPAN}-01\t", True),  # optional white space around a header's value
        (f"cc-{TRACE}-{SPAN}-01", True),  # a later version
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
    ],
)
def test_valid_headers(header: str, sampled: bool) -> None:
    """The ids are taken over, whatever a later version adds."""
    context = parse_traceparent(header.encode())
    assert context is not None
    assert (context.trace_id, context.span_id, context.sampled) == (TRACE, SPAN, sampled)
    assert parse_traceparent(context.header.encode()) == context


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",  # version 255 is forbidden
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",  # version 00 is exactly 55 characters
        f"cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-zz",
    ],
)
def test_invalid_headers_are_as_none(header: str) -> None:
    """A header that breaks a rule is ignored, not mended."""
    assert parse_traceparent(header.encode()) is None


@settings(deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=600))
def test_any_bytes_are_read_without_an_error(header: bytes, state: bytes) -> None:
    """The header comes from the network: whatever it is, the request goes on."""
    context = parse_traceparent(header, state)
    assert context is None or len(context.trace_id) == 32


def test_what_goes_on_to_the_next_service() -> None:
    """The caller's trace and state, and the request id; outside a request, nothing."""
    assert outgoing_headers() == {}
    work = Work(Kind.REQUEST, given_id=b"r-1")
    token = CURRENT.set(work)
    try:
        assert outgoing_headers() == {"x-request-id": "r-1"}
        work.trace = parse_traceparent(f"00-{TRACE}-{SPAN}-01".encode(), b"rojo=00f067,congo=t61")
        assert outgoing_headers() == {
            "x-request-id": "r-1",
            "traceparent": f"00-{TRACE}-{SPAN}-01",
            "tracestate": "rojo=00f067,congo=t61",
        }
        work.trace = parse_traceparent(f"00-{TRACE}-{SPAN}-01".encode(), b"x" * 513)
        assert "tracestate" not in outgoing_headers()
    finally:
        CURRENT.reset(token)
