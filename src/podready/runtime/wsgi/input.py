"""`wsgi.input`: the part of the body that has arrived, then what the client still sends."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from podready.runtime.asgi_types import Message, Receive

_READ_FIRST: Final = 1 << 20
"""Bytes: a body up to this size is read before a thread is taken, so slow clients hold none."""


class ClientLeftError(ConnectionResetError):
    """The client went away before it had sent its whole body."""


async def read_small_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Receive
) -> tuple[bytes, Receive | None]:
    """Return the body, and `receive` if there is more of it; raises ClientLeftError."""
    if not _has_body(headers):
        return b"", None
    parts: list[bytes] = []
    size = 0
    while size < _READ_FIRST:
        message = await receive()
        parts.append(_part(message))
        size += len(parts[-1])
        if not message.get("more_body", False):
            return b"".join(parts), None
    return b"".join(parts), receive


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in headers
    )


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeftError("the client left while it was sending")
    part: bytes = message.get("body", b"")
    return part


def wsgi_input(
    body: bytes, rest: Receive | None, loop: asyncio.AbstractEventLoop
) -> tuple[BinaryIO, RestOfBody | None]:
    """Return the app's input, and the source of its rest, None when the body is complete."""
    if rest is None:
        return io.BytesIO(body), None
    source = RestOfBody(body, rest, loop)
    return io.BufferedReader(source, 1 << 16), source


class RestOfBody(io.RawIOBase):
    """Reads on a thread what `receive` returns on the loop."""

    def __init__(self, body: bytes, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._part = memoryview(body)
        self._receive = receive
        self._loop = loop
        self.ended = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with what has arrived; wait when there is nothing. 0 is the end."""
        while not self._part and not self.ended:
            message = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            self.ended = not message.get("more_body", False)
            self._part = memoryview(_part(message))
        size = min(len(buffer), len(self._part))
        buffer[:size] = self._part[:size]
        self._part = self._part[size:]
        return size

    async def _next(self) -> Message:
        return await self._receive()
