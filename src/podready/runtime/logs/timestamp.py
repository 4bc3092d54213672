"""Time stamps of log lines: RFC 3339 in UTC with microseconds, the second's text kept."""

from __future__ import annotations

import time

_cached: tuple[int, str] = (-1, "")


def rfc3339(seconds: float) -> str:
    """Return a Unix time as `2026-11-23T01:23:45.123456Z`.

    A whole `datetime.isoformat` costs 1.5 us; most lines share their second with the one before.
    """
    global _cached  # noqa: PLW0603 - one tuple, replaced whole, so threads see old or new
    whole = int(seconds // 1)
    second, prefix = _cached
    if whole != second:
        prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        _cached = (whole, prefix)
    return f"{prefix}.{int((seconds - whole) * 1_000_000):06d}Z"
