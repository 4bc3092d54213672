"""The shutdown notice: the app learns of SIGTERM while it still serves.

It is not a disconnect: nothing is cut yet. A long poll may answer early, a consumer may stop
taking messages, a stream may say goodbye.
"""

from __future__ import annotations

import asyncio


class Notice:
    """Set once, from the event loop; read from anywhere."""

    def __init__(self) -> None:
        self.given = False
        self._waiting: set[asyncio.Future[None]] = set()

    def give(self) -> None:
        """Tell everybody who waits; called on the event loop when the drain begins."""
        self.given = True
        for future in tuple(self._waiting):
            if not future.done():
                future.set_result(None)

    def give_soon(self) -> None:
        """Tell everybody who waits; for a signal handler, which may interrupt the event loop."""
        self.given = True
        for loop in {future.get_loop() for future in tuple(self._waiting)}:
            loop.call_soon_threadsafe(self.give)

    async def wait(self) -> None:
        """Return when the drain has begun."""
        if self.given:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


NOTICE = Notice()
"""This process's notice."""


def shutting_down() -> bool:
    """Return whether the pod has been told to stop; False outside `podready run`."""
    return NOTICE.given


async def wait_for_shutdown() -> None:
    """Return once the pod has been told to stop; from then on the drain delay runs."""
    await NOTICE.wait()
