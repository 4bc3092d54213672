"""One HTTP request and its answer under granian, which says only through `receive` who has left.

Its `send` succeeds for ever, so an endless stream would never notice that its client is gone.
While a stream runs, the exchange therefore listens itself, unless the app does so already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from podready.runtime.asgi_types import Message, Receive, Send


class GranianExchange:
    """Wraps the two functions of one HTTP scope."""

    __slots__ = ("_gone", "_kept", "_listener", "_receive", "_receiving", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._gone = False
        self._receiving = False
        self._kept: deque[Message] = deque()
        self._listener: asyncio.Task[None] | None = None

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on; headers are optional in ASGI, but not for granian."""
        if message["type"] == "http.response.start" and "headers" not in message:
            message = {**message, "headers": ()}
        return self._send(message)

    async def receive(self) -> Message:
        """Return what the listener has kept, else the next message."""
        if self._kept:
            return self._kept.popleft()
        if self._listener is not None:
            await asyncio.shield(self._listener)
            return self._kept.popleft() if self._kept else {"type": "http.disconnect"}
        return await self._next()

    async def _next(self) -> Message:
        self._receiving = True
        try:
            message = await self._receive()
        finally:
            self._receiving = False
        self._gone = message["type"] == "http.disconnect"
        return message

    def client_gone(self) -> bool:
        """Whether the client has left, as far as is known; begins to listen for it."""
        if self._listener is None and not self._receiving and not self._gone:
            self._listener = asyncio.create_task(self._listen(), name="client gone?")
        return self._gone

    async def _listen(self) -> None:
        while not self._gone:
            self._kept.append(await self._next())

    def close(self) -> None:
        """The answer is over."""
        if self._listener is not None:
            self._listener.cancel()
