"""Durations in flags and variables."""

from __future__ import annotations

import pytest

from podready.runtime.options.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1.5s", 1.5),
        (" 7 ", 7),
        ("0", 0),
        ("1 s", 1),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1m1s500ms", 61.5),
    ],
)
def test_reads(text: str, seconds: float) -> None:
    """Units are ms, s, m and h, one after another too; a bare number means seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "-1s", "1d", "1s2", "one", "1e3", "nan", "inf", "5us", "1 0s", "٣s", "٣", "9" * 400],
)
def test_refuses(text: str) -> None:
    """Everything else is refused with the expected form."""
    with pytest.raises(ValueError, match="500ms, 30s or 5m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["500ms", "30s", "5m", "0s", "1.5s"])
def test_round_trip(text: str) -> None:
    """What is shown can be read again."""
    assert format_duration(parse_duration(text)) == text
