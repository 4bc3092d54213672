"""Kubernetes' forms of time: RFC 3339 timestamps, and ages as kubectl prints them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_FRACTION = re.compile(r"\.(\d+)")


def rfc3339(moment: datetime) -> str:
    """Return a metav1.Time: UTC, whole seconds, `Z` (fractions are cut, as Go does)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Return the moment of an RFC 3339 timestamp; ValueError when it is none.

    Digits after the microseconds (Go writes nanoseconds) are cut.
    """
    cut = _FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), text.strip())
    moment = datetime.fromisoformat(cut)
    if moment.tzinfo is None:
        raise ValueError(f"timestamp without a time zone: {text!r}")
    return moment.astimezone(UTC)


def age(since: str | None, now: datetime) -> timedelta:
    """Return how long ago a timestamp was; zero when it is missing or in the future."""
    if not since:
        return timedelta(0)
    return max(now - parse_time(since), timedelta(0))


def human_duration(span: timedelta) -> str:
    """Return an age as kubectl shows it (k8s.io/apimachinery duration.HumanDuration)."""
    seconds = max(0, int(span.total_seconds()))
    return _short(seconds) if seconds < 8 * 3600 else _long(seconds // 3600)


def _short(seconds: int) -> str:
    """Return an age below eight hours."""
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    return f"{minutes}m" if hours < 3 else _pair(hours, "h", minutes % 60, "m")


def _long(hours: int) -> str:
    """Return an age of eight hours and more."""
    days = hours // 24
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return _pair(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _pair(major: int, major_unit: str, minor: int, minor_unit: str) -> str:
    """Return `3m20s`, or `3m` when nothing is left over."""
    return f"{major}{major_unit}{minor}{minor_unit}" if minor else f"{major}{major_unit}"
