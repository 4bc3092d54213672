"""Durations of settings: what is written can be read, and nothing is guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.runtime.options.durations import format_timedelta, parse_duration, parse_timedelta


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_every_duration_reads_back(duration: timedelta) -> None:
    """format_timedelta and parse_timedelta are inverse."""
    assert parse_timedelta(format_timedelta(duration)) == duration


@pytest.mark.parametrize("text", ["", "30", "-5s", "5 minutes", "1m1", "ms", "1e3s", "٣s", "1 0s"])
def test_what_could_mean_anything_is_refused(text: str) -> None:
    """A number without a unit, a sign, words, digits of other scripts."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_timedelta(text)


@given(st.integers(min_value=0, max_value=10**9), st.sampled_from(["ms", "s", "m", "h"]))
def test_flags_and_settings_mean_the_same(number: int, unit: str) -> None:
    """A text that both read is as long for `podready run` as for the app."""
    assert parse_timedelta(f"{number}{unit}") == timedelta(
        seconds=parse_duration(f"{number}{unit}")
    )


def test_a_duration_beyond_all_bounds_is_a_value_error() -> None:
    """Not an OverflowError."""
    with pytest.raises(ValueError, match="longer"):
        parse_timedelta("9" * 30 + "d")


@given(st.text())
def test_any_text_gives_a_duration_or_a_value_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        assert parse_timedelta(text) >= timedelta(0)
    except ValueError:
        pass
