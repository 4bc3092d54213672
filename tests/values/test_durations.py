"""Durations: one grammar for flags, variables and TOML; what is written can be read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.values.durations import (
    format_seconds,
    format_timedelta,
    parse_seconds,
    parse_timedelta,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5us", 5e-6),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86_400),
        ("1.5s", 1.5),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("0", 0),
        ("1 s", 1),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1m1s500ms", 61.5),
    ],
)
def test_reads(text: str, seconds: float) -> None:
    """Several parts add up; a bare number means seconds."""
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "-1s", "1s2", "one", "1 day", "1e3", "nan", "inf", "1 0s", "٣s", "٣", "9" * 400],
)
def test_refuses(text: str) -> None:
    """Everything else is refused with the expected form."""
    with pytest.raises(ValueError, match="a duration such as 500ms, 30s, 5m"):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["500ms", "30s", "5m", "0s", "1.5s"])
def test_seconds_read_back(text: str) -> None:
    """What is shown can be read again."""
    assert format_seconds(parse_seconds(text)) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_every_duration_reads_back(duration: timedelta) -> None:
    """format_timedelta and parse_timedelta are inverse."""
    assert parse_timedelta(format_timedelta(duration)) == duration


@pytest.mark.parametrize("text", ["", "30", "-5s", "5 minutes", "1m1", "ms", "1e3s", "٣s", "1 0s"])
def test_what_could_mean_anything_is_no_timedelta(text: str) -> None:
    """A number without a unit, a sign, words, digits of other scripts."""
    with pytest.raises(ValueError, match="a duration such as"):
        parse_timedelta(text)


@pytest.mark.slow
@given(st.integers(min_value=0, max_value=10**9), st.sampled_from(["ms", "s", "m", "h"]))
def test_flags_and_settings_mean_the_same(number: int, unit: str) -> None:
    """A text is as long for `podready run` as for the app."""
    assert parse_timedelta(f"{number}{unit}") == timedelta(seconds=parse_seconds(f"{number}{unit}"))


def test_a_duration_beyond_all_bounds_is_a_value_error() -> None:
    """Not an OverflowError."""
    with pytest.raises(ValueError, match="at most 999999999 days"):
        parse_timedelta("9" * 30 + "d")


@pytest.mark.slow
@given(st.text())
def test_any_text_gives_a_duration_or_a_value_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        assert parse_seconds(text) >= 0
        assert parse_timedelta(text) >= timedelta(0)
    except ValueError:
        pass
