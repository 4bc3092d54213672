"""The grace period of a pod or container that must end: a deadline that can only come nearer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from podready.clock import Clock

LEAST_SECONDS: Final = 2.0
"""What every container gets between its stop signal and SIGKILL (minimumGracePeriodInSeconds)."""


class GracePeriod:
    """Counts down from the moment it is made."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._shortened = asyncio.Event()

    def remaining(self) -> float:
        """Return the seconds left; 0 when the period is over."""
        return max(0.0, self._deadline - self._clock.monotonic())

    def shorten(self, seconds: float) -> None:
        """End the period in `seconds` from now, unless it ends before."""
        deadline = self._clock.monotonic() + seconds
        if deadline < self._deadline:
            self._deadline = deadline
            self._shortened.set()

    async def wait(self, awaited: Awaitable[Any], at_least: float = 0.0) -> bool:
        """Wait for `awaited` while the period lasts, but `at_least` seconds; whether it came.

        What did not come is left running: who owns it may cancel it.
        """
        least = self._clock.monotonic() + at_least
        future = asyncio.ensure_future(awaited)
        while not future.done():
            left = max(self.remaining(), least - self._clock.monotonic())
            if left <= 0:
                return False
            self._shortened.clear()
            sooner = asyncio.ensure_future(self._shortened.wait())
            await asyncio.wait({future, sooner}, timeout=left, return_when="FIRST_COMPLETED")
            sooner.cancel()
        return True
