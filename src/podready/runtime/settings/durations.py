"""Durations as people write them in configuration: `500ms`, `5m`, `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_MICROSECONDS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the duration; ValueError for a number without a unit, as `30` could be anything."""
    compact = text.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError("is not a duration such as 500ms, 30s, 5m or 1h30m")
    total = sum(float(number) * _MICROSECONDS[unit] for number, unit in parts)
    try:
        return timedelta(microseconds=total)
    except OverflowError:
        raise ValueError("is longer than a duration can be") from None


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads back as the same duration."""
    left = duration // timedelta(microseconds=1)
    text = ""
    for unit, size in reversed(_MICROSECONDS.items()):
        count, left = divmod(left, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"
