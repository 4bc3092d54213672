"""Raw ASGI whose event loop stands still from the moment its port is open until a gate opens."""

from __future__ import annotations

import asyncio
import os
import socket

from tests.frameworks.apps import gate
from tests.frameworks.apps.on_raw import Receive, Scope, Send
from tests.frameworks.apps.on_raw import app as sound_app

_tasks: set[asyncio.Task[None]] = set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Set the trap at start-up, then be the sound app."""
    if scope["type"] == "lifespan":
        _tasks.add(asyncio.create_task(_block_once_open()))
    await sound_app(scope, receive, send)


async def _block_once_open() -> None:
    host, _, port = os.environ["MAIN"].rpartition(":")
    while not _is_open(host, int(port)):  # noqa: ASYNC110 - each turn of the loop, no later
        await asyncio.sleep(0)
    for _ in range(5):  # turns in which the worker tells the supervisor that it listens
        await asyncio.sleep(0)
    gate.mark("blocked")
    gate.wait_until_passed("go")


def _is_open(host: str, port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((host, port)) == 0
