"""A userspace hop for TCP connections: accept, connect further, copy both ways.

It has accepted before it knows whether the other side answers; to stay truthful it passes a reset
on as a reset (SO_LINGER 0), a FIN as a FIN (the other direction stays open), and answers a refused
or missing backend with a reset.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from podready.cluster.proxy.proxier import RefusedError

Connect = Callable[[str], Awaitable[socket.socket]]
"""Takes the client's address and returns a connected socket; OSError or RefusedError if none."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_CHUNK: Final = 64 * 1024
_PAUSE_SECONDS: Final = 0.05


class Relay:
    """Serves one listening socket until stopped; `connect` says where each client is to go."""

    def __init__(self, listener: socket.socket, connect: Connect) -> None:
        self._listener, self._connect = listener, connect
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is connected."""
        return not self._tasks

    def start(self) -> None:
        """Begin to accept, or begin again."""
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Close the port; open connections go on until they end or `stop`."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    async def stop(self) -> None:
        """Close the port and reset what is connected through it."""
        self.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self) -> None:
        try:
            client, address = self._listener.accept()
        except BlockingIOError:
            return  # gone before we came to it
        except OSError:  # this machine is out of files
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_PAUSE_SECONDS, self.start)
            return
        client.setblocking(False)
        task = self._loop.create_task(self._serve(client, address[0]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step cannot close anything itself.
        task.add_done_callback(lambda _: reset(client))

    async def _serve(self, client: socket.socket, client_ip: str) -> None:
        try:
            backend = await self._connect(client_ip)
        except BaseException as error:
            reset(client)
            if isinstance(error, OSError | RefusedError):
                return  # the client has its reset: that is the whole answer
            raise
        await relay(client, backend)


async def relay(left: socket.socket, right: socket.socket) -> None:
    """Copy both ways until both sides have ended; a broken side breaks the other the same way."""
    for end in (left, right):
        # A hop must not delay the small messages of databases, which Nagle would.
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
