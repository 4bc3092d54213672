"""Durations as people write them in flags and environment variables: `500ms`, `30s`, `1h30m`."""

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
_BARE: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds that `text` stands for; a bare number means seconds.

    For podready's own settings, none of which is for microseconds or days. Raises ValueError
    with the expected form when it is none.
    """
    text = text.strip()
    text = f"{text}s" if _BARE.fullmatch(text) else text
    found = _sum_of(text, "ms s m h")
    if found is None or found == float("inf"):
        raise ValueError("a duration such as 500ms, 30s or 5m")
    return found / _MICROSECONDS["s"]


def parse_timedelta(text: str) -> timedelta:
    """Return the duration; ValueError for a number without a unit, as `30` could be anything.

    For the settings of apps, whose error says what follows the value: `"30" is not ...`.
    """
    from datetime import timedelta  # not in the supervisor, which needs none

    found = _sum_of(text, "us ms s m h d")
    if found is None:
        raise ValueError("is not a duration such as 500ms, 30s, 5m or 1h30m")
    try:
        return timedelta(microseconds=found)
    except OverflowError:
        raise ValueError("is longer than a duration can be") from None


def _sum_of(text: str, units: str) -> float | None:
    """Return the microseconds of one or more numbers with units; None for anything else."""
    total, position = 0.0, 0
    while position < len(text) or not position:
        part = _PART.match(text, position)
        if part is None or part[2] not in units.split():
            return None
        total += float(part[1]) * _MICROSECONDS[part[2]]
        position = part.end()
    return total


def format_duration(seconds: float) -> str:
    """Return `seconds` in the shortest of the forms that `parse_duration` reads."""
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
