"""The shutdown notice: the app learns of SIGTERM while it still serves.

It is not a disconnect: nothing is cut yet. A long poll may answer early, a consumer may stop
taking messages, a stream may end by itself.
"""

from __future__ import annotations

import asyncio


class ShutdownNotice:
    """Set once, when the drain begins; read from any thread."""

    def __init__(self) -> None:
        self.is_set = False
        self._waiting: set[asyncio.Future[None]] = set()

    def set(self) -> None:
        """Wake all that wait; called on the event loop."""
        self.is_set = True
        for future in tuple(self._waiting):
            if not future.done():
                future.set_result(None)

    def set_threadsafe(self) -> None:
        """Wake all that wait; from any thread, and from a signal handler."""
        self.is_set = True
        for loop in {future.get_loop() for future in tuple(self._waiting)}:
            loop.call_soon_threadsafe(self.set)

    def shutting_down(self) -> bool:
        """Return whether the pod has been told to stop; False outside a pod."""
        return self.is_set

    async def wait_for_shutdown(self) -> None:
        """Return once the pod has been told to stop; from then on the drain delay runs."""
        if self.is_set:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
