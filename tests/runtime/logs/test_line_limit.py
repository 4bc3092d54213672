"""The line limit: below 16 KiB, always JSON, the most telling parts kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from podready.runtime.logs import line_limit
from podready.runtime.logs.line_limit import DEFAULT_BYTES, fitted

if TYPE_CHECKING:
    from .conftest import Events


OURS = frozenset({"severity", "message", "time", "stack_trace"})


def fit(event: dict[str, Any], limit: int = DEFAULT_BYTES) -> dict[str, Any]:
    """Return the event as it is read after fitting."""
    line = fitted(json.dumps(event, ensure_ascii=False).encode() + b"\n", limit, OURS)
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
    """No text is long enough to help: the largest value goes, its name and size are told."""
    numbers = list(range(20_000))
    read = fit({"message": "m", "numbers": numbers, "order": 42})
    assert read["order"] == 42
    assert "numbers" not in read
    size = len(json.dumps({"numbers": numbers}, separators=(",", ":"))) - 1
    assert read["left_out"] == f"numbers: {size} bytes"


def test_of_thousands_of_short_fields_as_many_stay_as_fit() -> None:
    """The line still says what happened, and what is missing from it."""
    fields = {f"key{number}": "y" * 20 for number in range(600)}
    read = fit({"severity": "INFO", "message": "hello", "time": "now", **fields})
    assert (read["severity"], read["message"], read["time"]) == ("INFO", "hello", "now")
    left = [name for name in fields if name in read]
    assert len(left) > 400
    assert left == list(fields)[: len(left)]
    told = read["left_out"]
    assert told.startswith("key599, key598, ")
    more = int(told.partition(" and ")[2].split(" more")[0]) if " and " in told else 0
    assert told.count(", ") + 1 + more == 600 - len(left)


@pytest.mark.slow
def test_the_work_grows_with_the_line_and_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the fields are ten times the text that goes through the encoder, not a hundred."""
    encoded = 0
    encode = line_limit._encode

    def counting(value: Any) -> str:
        nonlocal encoded
        encoded += len(text := encode(value))
        return text

    monkeypatch.setattr(line_limit, "_encode", counting)
    for count in (1000, 10_000):
        event = {f"key{number:05}": "y" * 20 for number in range(count)}
        encoded = 0
        fit({"message": "m", **event})
        assert encoded < 3 * size(event)


@pytest.mark.slow
def test_a_long_message_and_many_fields_share_the_line() -> None:
    """Neither takes it all: of the message a sixteenth of the limit stays at least."""
    fields = {f"key{number}": number for number in range(5000)}
    read = fit({"message": "m" * 30_000, "stack_trace": "s" * 30_000, **fields})
    assert len(read["message"]) > 900
    assert len(read["stack_trace"]) > 900
    assert sum(name.startswith("key") for name in read) > 500


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gcp", "otel", "ecs", "datadog"])
def test_what_every_line_has_is_never_left_out(events: Events, name: str) -> None:
    """Time, level, text, logger, trace, service, exception and place, in each format."""
    code = """
    for fields in {}, {f"key{number}": "y" * 20 for number in range(2000)}:
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("failed", extra={"trace_id": "a" * 32, "span_id": "b" * 16, **fields})
    """
    whole, short = events(
        code, PODREADY_LOG_FORMAT=name, OTEL_SERVICE_NAME="shop", GOOGLE_CLOUD_PROJECT="p"
    )
    assert size(short) <= DEFAULT_BYTES
    for event, other in ((whole, short), (whole.get("attributes", {}), short.get("attributes"))):
        ours = {key: value for key, value in event.items() if key not in VARYING}
        assert other is None or {key: other.get(key) for key in ours} == ours


VARYING = {"time", "timestamp", "@timestamp", "attributes"}


def test_lines_that_no_encoder_of_ours_makes() -> None:
    """Lone surrogates, a number of 20,000 digits: one valid line, whatever it was."""
    surrogate = b'{"message":"\\ud800' + b"x" * 20_000 + b'"}\n'
    read = json.loads(fitted(surrogate, DEFAULT_BYTES))
    assert read["message"].startswith("\ud800xxx")
    read = json.loads(fitted(b'{"number":' + b"9" * 20_000 + b"}\n", DEFAULT_BYTES))
    assert read["original_bytes"] == 20_012
    assert read["log_error"].startswith("ValueError")


@pytest.mark.slow
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
