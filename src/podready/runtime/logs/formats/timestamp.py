"""Time stamps of log lines: RFC 3339 in UTC with microseconds, the second's text kept.

A whole `datetime.isoformat` costs 1.5 us and a formatted number 0.14; most lines share their
second with the one before, and six digits are two of a thousand texts that stand ready.
"""

from __future__ import annotations

import time
from typing import Final

THOUSAND: Final = tuple(f"{number:03d}" for number in range(1000))

Second = tuple[int, str]
"""The microseconds at which a second began, and its text: `2026-11-23T01:23:45.`."""

NO_SECOND: Final[Second] = (1 << 62, "")
"""Contains no time."""

_cached: Second = NO_SECOND


def rfc3339(seconds: float) -> str:
    """Return a Unix time as `2026-11-23T01:23:45.123456Z`."""
    global _cached  # noqa: PLW0603 - one tuple, replaced whole, so threads see old or new
    begin, text = _cached
    fraction = int(seconds * 1_000_000) - begin
    if not 0 <= fraction < 1_000_000:
        begin, text = _cached = second_of(seconds)
        fraction = int(seconds * 1_000_000) - begin
    return f"{text}{THOUSAND[fraction // 1000]}{THOUSAND[fraction % 1000]}Z"


def second_of(seconds: float) -> Second:
    """Return the second that a Unix time is in."""
    second = int(seconds * 1_000_000) // 1_000_000
    return second * 1_000_000, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
