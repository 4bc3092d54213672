"""Durations as people write them in flags and environment variables: `500ms`, `30s`, `5m`, `2h`."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")


def parse_duration(text: str) -> float:
    """Return the seconds that `text` stands for; a bare number means seconds.

    Raises ValueError with the expected form when it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a duration such as 500ms, 30s or 5m")
    return float(match[1]) * _UNITS[match[2]]


def format_duration(seconds: float) -> str:
    """Return `seconds` in the shortest of the forms that `parse_duration` reads."""
    if seconds < 1 and seconds != 0:
        return f"{seconds * 1000:g}ms"
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s"
