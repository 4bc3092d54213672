"""A limit on how many requests a worker serves at once.

Over it a request waits a little, if that is allowed, and is then answered 503 with Retry-After:
early and cheap, so that the requests in flight still finish in time. Streams count, idle
connections do not, and the probes have their own port.
"""

from __future__ import annotations

import asyncio
from collections import deque


class ConcurrencyLimit:
    """At most `maximum` requests at once; as many again wait for at most `timeout` seconds."""

    def __init__(self, maximum: int, timeout: float) -> None:
        self.rejected = 0
        self._maximum = maximum
        self._timeout = timeout
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    async def acquire(self) -> bool:
        """Take a place; False when there is none in time, and then `release` must not be called."""
        if self._active < self._maximum:
            self._active += 1
            return True
        if not self._timeout or len(self._waiting) >= self._maximum:
            self.rejected += 1
            return False
        return await self._wait()

    async def _wait(self) -> bool:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=self._timeout)
        except asyncio.CancelledError:
            if turn.done():
                self.release()
            else:
                self._waiting.remove(turn)
            raise
        if turn.done():
            return True
        self._waiting.remove(turn)
        self.rejected += 1
        return False

    def release(self) -> None:
        """Give the place back, to the request that has waited longest."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._active -= 1
