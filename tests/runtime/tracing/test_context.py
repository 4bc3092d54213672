"""W3C Trace Context, by the rules and the examples of its specification, and Google's header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.runtime.requests.inflight import CURRENT, InFlightItem, ItemKind
from podready.runtime.tracing.context import (
    TraceContext,
    begin_trace,
    callers_span,
    continue_trace,
    parse_cloud_trace,
    parse_traceparent,
)
from podready.runtime.tracing.headers import relevant_headers
from podready.tracing import outgoing_headers

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
GOOD_HEADER = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")
GOOD_STATE = re.compile(r"[\t\x20-\x7e]{1,512}")


@contextmanager
def request(*headers: tuple[bytes, bytes]) -> Iterator[InFlightItem]:
    """Be in a request with these headers."""
    item = InFlightItem(ItemKind.REQUEST, {"method": "GET", "path": "/", "headers": list(headers)})
    token = CURRENT.set(item)
    try:
        yield item
    finally:
        CURRENT.reset(token)


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


@pytest.mark.parametrize(
    ("flags", "passed_on"), [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("fd", "01")]
)
def test_flags_go_on_as_they_came_but_unknown_ones_are_zero(flags: str, passed_on: str) -> None:
    """Section 3.2.2.5: random-trace-id is never ours to change, reserved flags are set to zero."""
    context = parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}".encode())
    assert context is not None
    assert continue_trace(context).header[-2:] == passed_on


def test_a_new_trace_is_random_and_says_so() -> None:
    """Level 2: random ids set flag 0x02; nobody records it, so 0x01 is not set."""
    made = [begin_trace() for _ in range(1000)]
    assert len({each.trace_id for each in made}) == len({each.span_id for each in made}) == 1000
    for each in made:
        assert GOOD_HEADER.fullmatch(each.header)
        assert each.header.endswith("-02")
        assert parse_traceparent(each.header.encode()) == each


@pytest.mark.parametrize(
    ("header", "span", "sampled"),
    [
        (f"{TRACE}/1;o=1", "0000000000000001", True),
        (f"{TRACE}/13235353014750950193;o=0", "b7ad6b7169203331", False),
        (f"{TRACE}/18446744073709551615;o=1", "f" * 16, True),
        (f"{TRACE}/0;o=1", "0" * 16, True),  # "0 for the first span in your trace"
        (f"{TRACE}/7", "0000000000000007", False),
        (f"{TRACE};o=1", "0" * 16, True),
        (TRACE, "0" * 16, False),
        (TRACE.upper(), "0" * 16, False),
        (f"{TRACE}/7;o=3", "0000000000000007", True),  # a mask, of which bit 0 is "trace it"
        (f"{TRACE}/7;o=2", "0000000000000007", False),
    ],
)
def test_googles_header(header: str, span: str, sampled: bool) -> None:
    """TRACE_ID/SPAN_ID;o=OPTIONS, where the span id is decimal."""
    assert parse_cloud_trace(header.encode()) == TraceContext(TRACE, span, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE[:-1],
        "0" * 32 + "/1;o=1",
        f"{TRACE}/18446744073709551616",  # 2^64
        f"{TRACE}/-1",
        f"{TRACE}/b7ad;o=1",
        f"{TRACE}/1;o=",
        f"{TRACE}/1;o=1,{TRACE}/1;o=1",
        f"{TRACE}/١".encode().decode("latin-1"),
    ],
)
def test_googles_header_broken(header: str) -> None:
    """What does not fit is ignored."""
    assert parse_cloud_trace(header.encode("latin-1")) is None


def test_googles_header_counts_where_there_is_no_valid_traceparent() -> None:
    """traceparent first; a broken one is as none."""
    cloud = (b"x-cloud-trace-context", b"105445aa7843bc8bf206b12000100000/1;o=1")
    broken = (b"traceparent", b"00-nonsense")
    for headers, trace in (
        ([SAMPLED, cloud], TRACE),
        ([cloud], "105445aa7843bc8bf206b12000100000"),
        ([broken, cloud], "105445aa7843bc8bf206b12000100000"),
    ):
        found = callers_span(relevant_headers(headers))
        assert found is not None
        assert (found.trace_id, found.sampled) == (trace, True)
    assert callers_span(relevant_headers([SAMPLED, SAMPLED])) is None  # two are as none


HOSTILE = st.one_of(
    st.binary(max_size=80),
    st.from_regex(rb"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,9})?\Z"),
    st.from_regex(rb"\A[0-9a-fA-F]{32}(/[0-9]{1,25})?(;o=[0-9]{1,5})?\Z"),
)
NAMES = st.sampled_from([b"traceparent", b"tracestate", b"x-cloud-trace-context"])
STATES = st.one_of(
    st.binary(max_size=700),
    st.lists(st.from_regex(rb"\A[a-z]{1,9}=[!-+.-<>-~]{1,150}\Z"), max_size=12).map(b",".join),
)


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(st.tuples(NAMES, HOSTILE), max_size=4),
    st.lists(st.tuples(st.just(b"tracestate"), STATES), max_size=2),
)
def test_whatever_comes_what_goes_on_is_valid(
    headers: list[tuple[bytes, bytes]], states: list[tuple[bytes, bytes]]
) -> None:
    """Headers come from the network; those we send on must be fit for any HTTP client."""
    with request(*headers, *states) as item:
        sent = outgoing_headers()
        fields = item.log_fields()
    assert GOOD_HEADER.fullmatch(sent["traceparent"])
    assert "tracestate" not in sent or GOOD_STATE.fullmatch(sent["tracestate"])
    assert sent["traceparent"][3:52] == f"{fields['trace_id']}-{fields['span_id']}"


@pytest.mark.slow
@settings(deadline=None)
@given(st.text("0123456789abcdef", min_size=32, max_size=32), st.integers(0, 3), STATES)
def test_a_valid_trace_goes_on(trace: str, flags: int, state: bytes) -> None:
    """Same trace, same flags, a span of our own."""
    header = f"00-{trace}-{SPAN}-0{flags}".encode()
    with request((b"traceparent", header), (b"tracestate", state)):
        sent = outgoing_headers()["traceparent"]
    if trace == "0" * 32:
        assert sent[3:35] != trace
        return
    assert (sent[3:35], sent[-2:]) == (trace, f"0{flags}")
    assert sent[36:52] != SPAN


def test_what_goes_on_to_the_next_service() -> None:
    """The caller's trace and state, our span, and the request id; outside a request, nothing."""
    assert outgoing_headers() == {}
    state = (b"tracestate", b"rojo=00f067"), (b"tracestate", b"congo=t61")
    with request((b"x-request-id", b"r-1"), SAMPLED, *state) as item:
        assert item.trace is not None
        assert item.trace.span_id != SPAN
        assert outgoing_headers() == {
            "x-request-id": "r-1",
            "traceparent": f"00-{TRACE}-{item.trace.span_id}-01",
            "tracestate": "rojo=00f067,congo=t61",
        }
        assert outgoing_headers() == outgoing_headers()  # one span, however often it is asked for


def test_a_request_without_a_caller_begins_a_trace() -> None:
    """The log lines and what goes on agree; a tracestate alone is discarded (section 4.2)."""
    with request((b"tracestate", b"rojo=1")) as item:
        sent = outgoing_headers()
        assert "tracestate" not in sent
        assert item.log_fields() == {
            "request_id": sent["x-request-id"],
            "trace_id": sent["traceparent"][3:35],
            "span_id": sent["traceparent"][36:52],
            "trace_sampled": False,
        }


def test_work_without_headers_has_no_trace() -> None:
    """A named task has no caller; and where nobody told us the headers we make nothing up."""
    unknown: Mapping[str, str] = {"method": "GET", "path": "/"}
    for item in (
        InFlightItem(ItemKind.TASK, name="consumer"),
        InFlightItem(ItemKind.REQUEST, dict(unknown)),
    ):
        assert item.trace is None
        assert list(item.log_fields()) == ["request_id"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "passed_on"),
    [
        ("a=1", "a=1"),
        (" a=1 , b=2\t", "a=1 , b=2"),
        ("", None),
        (" \t", None),
        ("a=\x00", None),
        ("a=ä", None),
        ("x" * 513, None),
        ("a=1,B=2", None),  # keys are lower case
        ("a=1,b=2=3", None),
        ("a=1,,\t,b= 2", "a=1,,\t,b= 2"),  # empty members are allowed
        (",".join(f"k{number}=1" for number in range(33)), None),  # 32 are the most
        ("a=1,b=" + "2" * 257, None),
        ("a=1,b=" + "2" * 200 + ",c=" + "3" * 256 + ",d=" + "4" * 100, f"a=1,d={'4' * 100}"),
        (",".join(f"k{number:02}={'v' * 60}" for number in range(9)), 7 * 64 + 6),  # then the last
    ],
)
def test_how_a_state_goes_on(state: str, passed_on: str | int | None) -> None:
    """Unchanged up to 512 bytes, then without whole members (section 3.3.1.5)."""
    with request(SAMPLED, (b"tracestate", state.encode("latin-1"))):
        sent = outgoing_headers().get("tracestate")
    if isinstance(passed_on, int):
        assert sent is not None
        assert (len(sent), state.startswith(sent + ",")) == (passed_on, True)
    else:
        assert sent == passed_on
