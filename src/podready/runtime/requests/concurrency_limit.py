"""A limit on how many requests a worker serves at once.

Over it a request waits a little, if that is allowed, and is then answered 503 with Retry-After:
early and cheap, so that the requests under way still finish in time. Streams count, idle
connections do not, and the probes have their own port.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Limit:
    """At most `most` requests at once; up to as many again wait for at most `patience` seconds."""

    def __init__(self, most: int, patience: float) -> None:
        self.shed = 0
        self._most = most
        self._patience = patience
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    async def enter(self) -> bool:
        """Take a place; False when there is none in time, and then `leave` must not be called."""
        if self._active < self._most:
            self._active += 1
            return True
        if not self._patience or len(self._waiting) >= self._most:
            self.shed += 1
            return False
        return await self._wait()

    async def _wait(self) -> bool:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=self._patience)
        except asyncio.CancelledError:
            if turn.done():
                self.leave()
            else:
                self._waiting.remove(turn)
            raise
        if turn.done():
            return True
        self._waiting.remove(turn)
        self.shed += 1
        return False

    def leave(self) -> None:
        """Give the place back, to the one who waits longest."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._active -= 1
