"""The one source of time, so that a test can replace it.

`Clock.monotonic` orders what happens on this machine and is comparable between processes
(CLOCK_MONOTONIC is one clock for the whole kernel, in every namespace we use); `Clock.now`
is for what people and Kubernetes objects read.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rest of podready may know of time."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""


class SystemClock:
    """The kernel's clocks."""

    def monotonic(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""
        return datetime.now(UTC)


SYSTEM_CLOCK = SystemClock()
