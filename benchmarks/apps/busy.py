"""Raw ASGI that can be kept busy: in Python, in C that holds the interpreter lock, or for ever."""

from __future__ import annotations

import asyncio
import ctypes
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BUSY_SECONDS = 5
_holding_the_lock = ctypes.PyDLL(None)  # unlike CDLL, its calls keep the interpreter lock


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Do what the path says, then answer."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/python":
        _burn(BUSY_SECONDS)
    elif scope["path"] == "/c":
        _holding_the_lock.sleep(BUSY_SECONDS)
    elif scope["path"] == "/burn":  # takes all the CPU there is, yet lets the loop turn
        end = time.monotonic() + BUSY_SECONDS
        while time.monotonic() < end:
            _burn(0.005)
            await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"OK!"})


def _burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
