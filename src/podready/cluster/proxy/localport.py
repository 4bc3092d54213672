"""A Service on a port of this machine, for curl and browsers: a NodePort of node 0.

A userspace hop, so it has accepted before it knows the backend; to stay truthful it passes a
reset on as a reset (SO_LINGER 0), a FIN as a FIN (the other direction stays open), and answers a
refused or missing backend with a reset. Listens on 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from podready.cluster.proxy.dialer import dial_backend
from podready.cluster.proxy.proxier import RefusedError

if TYPE_CHECKING:
    from podready.cluster.proxy.dialer import Dial, Pick

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK = 64 * 1024


class LocalPort:
    """One Service port at 127.0.0.1."""

    def __init__(self, service: str, port: int, pick: Pick, dial: Dial) -> None:
        self._service, self._port = service, port
        self._pick, self._dial = pick, dial
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, host_port: int = 0) -> int:
        """Listen on `host_port` (0: any free one) and return it; OSError when it is in use."""
        self._listener = socket.create_server(("127.0.0.1", host_port), backlog=128)
        self._listener.setblocking(False)
        self._spawn(self._accept_all(self._listener))
        bound: int = self._listener.getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the port and reset what is connected to it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def _spawn(self, coroutine: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_all(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, address = await loop.sock_accept(listener)
            self._spawn(self._serve(client, address[0]))

    async def _serve(self, client: socket.socket, client_ip: str) -> None:
        try:
            backend = await self._connect(client_ip)
        except BaseException as error:
            reset(client)
            if isinstance(error, OSError | RefusedError):
                return  # the client has its reset: that is the whole answer
            raise
        await relay(client, backend)

    async def _connect(self, client_ip: str) -> socket.socket:
        backend = self._pick(0, self._service, self._port, client_ip)
        fresh = dial_backend(self._dial, backend)
        if fresh is None:
            raise ConnectionRefusedError(backend.pod)
        try:
            await asyncio.get_running_loop().sock_connect(fresh, (backend.ip, backend.port))
        except BaseException:
            fresh.close()
            raise
        return fresh


async def relay(left: socket.socket, right: socket.socket) -> None:
    """Copy both ways until both sides have ended; a broken side breaks the other the same way."""
    pumps = [asyncio.ensure_future(_pump(left, right)), asyncio.ensure_future(_pump(right, left))]
    try:
        await asyncio.gather(*pumps)
    except BaseException as error:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        reset(left)
        reset(right)
        if not isinstance(error, OSError):
            raise
    finally:
        left.close()
        right.close()


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _CHUNK):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    if connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.close()
