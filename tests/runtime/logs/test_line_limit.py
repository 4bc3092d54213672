"""The line limit: below 16 KiB, always JSON, the most telling parts kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from podready.runtime.logs.line_limit import DEFAULT_BYTES, fitted

if TYPE_CHECKING:
    from .conftest import Events


def fit(event: dict[str, Any], limit: int = DEFAULT_BYTES) -> dict[str, Any]:
    """Return the event as it is read after fitting."""
    line = fitted(json.dumps(event, ensure_ascii=False).encode() + b"\n", limit)
    assert len(line) <= limit
    assert line.endswith(b"\n")
    read: dict[str, Any] = json.loads(line)
    assert read["truncated"] is True
    return read


def size(event: dict[str, Any]) -> int:
    """Return the length of the line that an event was."""
    return len(json.dumps(event, separators=(",", ":"))) + 1


def test_the_longest_text_is_shortened_and_the_rest_kept() -> None:
    """The beginning of it stays, with what is missing told."""
    read = fit({"message": "paid", "body": "x" * 50_000, "note": "y" * 1000})
    assert read["original_bytes"] == 51_044
    assert read["message"] == "paid"
    assert read["note"] == "y" * 1000
    assert read["body"].startswith("x" * 10_000)
    assert "characters left out" in read["body"]


def test_of_a_stack_trace_the_end_matters_more() -> None:
    """One third of its beginning, two thirds of its end."""
    read = fit({"stack_trace": "a" * 20_000 + "ValueError: bad"}, 4000)
    head, _, tail = read["stack_trace"].split("\n")
    assert tail.endswith("ValueError: bad")
    assert abs(len(tail) - 2 * len(head)) < 10


def test_equally_long_texts_share_the_loss() -> None:
    """None of them is cut to nothing while another is whole."""
    read = fit({name: name * 9000 for name in "abc"})
    lengths = {len(read[name]) for name in "abc"}
    assert min(lengths) > 4000
    assert max(lengths) - min(lengths) < 10


def test_texts_deep_inside_are_found() -> None:
    """In dictionaries and lists."""
    read = fit({"message": "m", "request": {"items": ["x" * 20_000, 1]}})
    assert read["request"]["items"][1] == 1


def test_thousands_of_numbers_are_left_out() -> None:
    """No text is long enough to help: the largest value goes, its name stays."""
    read = fit({"message": "m", "numbers": list(range(20_000)), "order": 42})
    assert read["order"] == 42
    assert read["numbers"].startswith("left out: ")


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=3000),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=300), inner),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=1200), ANY), st.integers(1024, 5000))
def test_any_event_fits(event: dict[str, Any], limit: int) -> None:
    """Also when the names are what is long."""
    line = fitted(json.dumps(event).encode() + b"\n", limit)
    assert len(line) <= limit
    assert json.loads(line)["truncated"] is True


def test_lines_of_a_process_keep_the_limit_of_its_settings(events: Events) -> None:
    """16,000 bytes by default; PODREADY_LOG_MAX_LINE is another."""
    code = 'log.info("x" * 100_000, extra={"order": 42})'
    (event,) = events(code)
    assert size(event) <= DEFAULT_BYTES
    assert event["order"] == 42
    assert event["original_bytes"] > 100_000
    (event,) = events(code, PODREADY_LOG_MAX_LINE="2000")
    assert size(event) <= 2000
    (event,) = events(code, PODREADY_LOG_MAX_LINE="256Ki")
    assert len(event["message"]) == 100_000
