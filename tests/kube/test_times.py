"""Timestamps and ages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from podready.kube import times

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_time_has_whole_seconds() -> None:
    """metav1.Time cuts fractions, and is in UTC."""
    assert times.rfc3339(MOMENT) == "2026-01-02T03:04:05Z"
    berlin = MOMENT.astimezone(timezone(timedelta(hours=1)))
    assert times.rfc3339(berlin) == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05.678901Z",
        "2026-01-02T03:04:05.678901234Z",
        "2026-01-02T04:04:05.678901+01:00",
    ],
)
def test_times_of_any_precision_and_zone_are_read(text: str) -> None:
    """Go writes nanoseconds; what is beyond microseconds is cut."""
    assert times.parse_time(text) == MOMENT


def test_a_time_without_a_zone_is_refused() -> None:
    """A timestamp that could mean several moments means none."""
    with pytest.raises(ValueError, match="without a time zone"):
        times.parse_time("2026-01-02T03:04:05")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (200, "3m20s"), (75 * 60, "75m"),
        (5 * 3600 + 180, "5h3m"), (8 * 3600, "8h"), (30 * 3600, "30h"), (48 * 3600, "2d"),
        (76 * 3600, "3d4h"), (9 * 86400, "9d"), (800 * 86400, "2y70d"), (9 * 365 * 86400, "9y"),
    ],
)  # fmt: skip
def test_ages_as_kubectl_shows_them(seconds: int, shown: str) -> None:
    """The steps of duration.HumanDuration."""
    assert times.human_duration(timedelta(seconds=seconds)) == shown


def test_age_is_never_negative() -> None:
    """A clock that differs a little shows 0s, not nonsense."""
    assert times.age("2026-01-02T03:05:00Z", MOMENT) == timedelta(0)
    assert times.age(None, MOMENT) == timedelta(0)
