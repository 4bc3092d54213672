"""Durations: `500ms`, `30s`, `1h30m`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

_MICROSECONDS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_PART: Final = re.compile(r" *(\d+(?:\.\d+)?) *(us|ms|s|m|h|d) *", re.ASCII)
_BARE: Final = re.compile(r" *\d+(?:\.\d+)? *", re.ASCII)
_EXPECTED: Final = "a duration such as 500ms, 30s, 5m or 1h30m"


def parse_seconds(text: str) -> float:
    """Return the seconds that `text` stands for; a bare number means seconds.

    Raises ValueError with the expected form when it is no duration.
    """
    if _BARE.fullmatch(text):
        text = f"{text.strip()}s"
    microseconds = _sum_of(text)
    if microseconds is None or microseconds == float("inf"):
        raise ValueError(_EXPECTED)
    return microseconds / _MICROSECONDS["s"]


def parse_timedelta(text: str) -> timedelta:
    """Return the duration; a number without a unit is refused, because `30` could be anything.

    Raises ValueError with the expected form when it is no duration.
    """
    from datetime import timedelta  # not in the supervisor, which needs none

    microseconds = _sum_of(text)
    if microseconds is None:
        raise ValueError(_EXPECTED)
    try:
        return timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError("a duration of at most 999999999 days") from None


def _sum_of(text: str) -> float | None:
    """Return the microseconds of one or more numbers with units; None for anything else."""
    total, position = 0.0, 0
    while position < len(text) or not position:
        part = _PART.match(text, position)
        if part is None:
            return None
        total += float(part[1]) * _MICROSECONDS[part[2]]
        position = part.end()
    return total


def format_seconds(seconds: float) -> str:
    """Return `seconds` in the shortest of the forms that `parse_seconds` reads."""
    if seconds < 1 and seconds != 0:
        return f"{seconds * 1000:g}ms"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s"


def format_timedelta(duration: timedelta) -> str:
    """Return the shortest text that `parse_timedelta` reads back as the same duration."""
    left = (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds
    text = ""
    for unit, size in reversed(_MICROSECONDS.items()):
        count, left = divmod(left, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"
