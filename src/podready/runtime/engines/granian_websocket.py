"""A WebSocket of granian's that can be closed from outside while the app waits for a message.

granian's `send` of a close waits for the lock that a pending `receive` holds, that is until the
client says something. So the pending receive is called off first, and the app is told that the
socket is closed, as it is under every other server.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Message, Receive, Send


class ClosableWebSocket:
    """Wraps the two functions of one WebSocket scope."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._pending: asyncio.Future[Any] | None = None
        self._code: int | None = None
        self._closed = asyncio.Event()

    @staticmethod
    def needed(send: Send) -> bool:
        """Whether `send` is granian's own."""
        return type(getattr(send, "__self__", None)).__module__ == "granian._granian"

    async def receive(self) -> Message:
        """Return the next message, or a disconnect once the socket is closed from here."""
        if self._code is None:
            self._pending = asyncio.ensure_future(self._receive())
            try:
                message: Message = await self._pending
            except asyncio.CancelledError:
                if self._code is None:
                    raise
            else:
                return message
        await self._closed.wait()  # an app that returns earlier would cut the close frame off
        return {"type": "websocket.disconnect", "code": self._code}

    async def send(self, message: Message) -> None:
        """Pass a message on; a close calls off the receive that waits."""
        if message["type"] != "websocket.close":
            await self._send(message)
            return
        self._code = message.get("code", 1000)
        if self._pending is not None and not self._pending.done():
            self._pending.cancel()
        try:
            await self._send(message)
        finally:
            self._closed.set()
