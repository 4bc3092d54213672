"""The fast path: the same objects as the checked path, whatever is logged."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podready.runtime.logs import context_fields as log_context
from podready.runtime.logs.encoder import orjson_encoder
from podready.runtime.logs.formats.parts import Details, ServedRequest, SourceLocation
from podready.runtime.logs.formats.timestamp import rfc3339
from podready.runtime.logs.log import Log
from podready.runtime.logs.options import LogOptions

pytest.importorskip("orjson")

TRACE = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}
SERVICE = {"OTEL_SERVICE_NAME": "shop", "DD_ENV": "prod"}
PROJECT = {**SERVICE, "GOOGLE_CLOUD_PROJECT": "acme"}
REQUEST = ServedRequest("GET", "/", 200, 7, 0.25, "10.0.0.9", "curl", "HTTP/1.1")
LABELS = "logging.googleapis.com/labels"


@pytest.fixture(scope="module", params=[{}, SERVICE, PROJECT], ids=["nobody", "service", "project"])
def log(request: pytest.FixtureRequest) -> Log:
    """Give a log of format gcp, for several services."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PROJECT:
            patch.delenv(name, raising=False)
        for name, value in request.param.items():
            patch.setenv(name, value)
        log = Log()
        log.encoder = orjson_encoder()
        log.choose(LogOptions(max_line=4000))
    assert log.line != log.checked_line
    return log


NAMES = st.text(st.characters(), max_size=8) | st.sampled_from(
    "order user password api_key message severity time_ logger httpRequest trace_id span_id"
    f" trace_sampled service {LABELS} logging.googleapis.com/trace".split(" ")
)
TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["postgres://app:hunter2@db/x", "{", "a{b{", "@", "x" * 5000]
)
SCALARS = (
    TEXTS
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.datetimes()
    | st.binary(max_size=5)
    | st.decimals()
    | st.sets(st.integers(), max_size=1)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(NAMES | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=8,
)
EVENTS = st.dictionaries(NAMES, VALUES, max_size=6)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    level=st.sampled_from([0, 5, 10, 15, 20, 25, 29, 30, 40, 50]),
    message=TEXTS,
    logger=st.text(st.characters(), max_size=10),
    seconds=st.floats(0, 4e9),
    fields=EVENTS,
)
def test_both_paths_make_the_same_object(
    log: Log, level: int, message: str, logger: str, seconds: float, fields: dict[str, Any]
) -> None:
    """For any event: the checked path learns its names first, so the fast one is open."""
    wanted = log.checked_line(level, message, logger, seconds, fields)
    line = log.line(level, message, logger, seconds, fields)
    assert line.count(b"\n") == 1
    assert object_of(line) == object_of(wanted)


def object_of(line: bytes) -> dict[str, Any]:
    """Return what a collector reads; no name of the line may stand twice."""
    pairs = json.loads(line, object_pairs_hook=list)
    read: dict[str, Any] = json.loads(line)
    assert len(pairs) == len(read)
    if "truncated" in read:  # what is cut depends on which of equal texts comes first
        return dict.fromkeys(read)
    return read


def test_the_fast_path_is_taken() -> None:
    """By a common line from its second time on; else the comparison above compares nothing."""
    log = Log()
    fallen_back = []

    def fallback(*parts: Any) -> bytes:
        fallen_back.append(parts)
        return log.checked_line(*parts)

    log.checked_line, checked = fallback, log.checked_line  # type: ignore[method-assign]
    log.encoder = orjson_encoder()
    log.choose(LogOptions())
    log.checked_line = checked  # type: ignore[method-assign]
    fields = {"order": 42, "address": {"street": "Main"}, "items": [1, 2], **TRACE}
    for more in (None, Details(SourceLocation("a.py", 1, "f")), REQUEST):
        log.line(20, "paid", "shop", 1.0, fields, more)
    assert len(fallen_back) == 1


def test_the_context_of_a_line_is_added(log: Log) -> None:
    """What is bound, and what sources give; the call's own fields win."""
    token = log_context.context.set({"request_id": "r1", "order": 1})
    log.sources.append(lambda: {"tenant": "acme"})
    try:
        for _ in range(2):
            read = json.loads(log.line(20, "paid", "shop", 1.0, {"order": 2}))
            assert (read["request_id"], read["order"], read["tenant"]) == ("r1", 2, "acme")
    finally:
        log.sources.pop()
        log_context.context.reset(token)


def test_a_source_that_fails_costs_nobody_the_line(log: Log) -> None:
    """`log_error` says why its fields are missing."""

    def failing() -> None:
        raise RuntimeError("no")

    log.sources.append(failing)
    try:
        read = json.loads(log.line(20, "paid", "shop", 1.0, {}))
        assert (read["message"], read["log_error"]) == ("paid", "RuntimeError: no")
    finally:
        log.sources.pop()


def test_a_changed_second_is_noticed(log: Log) -> None:
    """Forwards and backwards, as clocks go."""
    for seconds in (1.5, 2.25, 1.000001, 1795396995.123456, 0.0):
        read = json.loads(log.line(20, "paid", "shop", seconds, {}))
        assert read["time"] == rfc3339(seconds)


@settings(deadline=None)
@given(st.floats(0, 4e9))
def test_a_time_is_the_one_of_datetime(seconds: float) -> None:
    """To the microsecond, cut and not rounded."""
    micros = int(seconds * 1_000_000)
    moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(
        microsecond=micros % 1_000_000
    )
    assert rfc3339(seconds) == f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_the_present_is_the_present(log: Log) -> None:
    """Nothing of the caching shows."""
    before = rfc3339(time.time())
    read = json.loads(log.line(20, "paid", "shop", time.time(), {}))
    assert before <= read["time"] <= rfc3339(time.time())
