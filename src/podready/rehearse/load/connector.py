"""Where a connection of the load comes from: the local cluster's dialer, or any TCP address.

A connector gives a `Route`: an unconnected socket and the address to connect it to. The load
process connects it itself, so the errno of a failure is the kernel's own and no hop is between.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from podready.rehearse.load.plan import DialerTarget, TcpTarget
from podready.socket_path import short

PACKET = 4096
"""Longest message of the dialer; its answers are under 300 bytes."""

DIALER_LOST = "the cluster's dialer closed its socket"


@dataclass(frozen=True, slots=True)
class Route:
    """A fresh socket and where to connect it; `pod` is "" where only the network knows."""

    node: int
    pod: str
    address: tuple[Any, ...]
    socket: socket.socket


async def connect(route: Route) -> None:
    """Connect the route's socket; raises the kernel's own OSError.

    On loopback the handshake, or its refusal, is over when connect() returns EINPROGRESS, so asking
    again gives the result without the event loop: 100 to 170 us less CPU a connection, measured.
    """
    result = route.socket.connect_ex(route.address)
    if result == errno.EINPROGRESS:
        result = route.socket.connect_ex(route.address)
    if result in {errno.EINPROGRESS, errno.EALREADY}:
        await asyncio.get_running_loop().sock_connect(route.socket, route.address)
    elif result:
        raise OSError(result, os.strerror(result))


class NoRouteError(Exception):
    """The node had nowhere to send the connection; `pod` where it had chosen one already."""

    def __init__(self, reason: str, pod: str = "") -> None:
        super().__init__(reason)
        self.reason, self.pod = reason, pod


class Connector(Protocol):
    """A source of routes."""

    nodes: int
    lost: str
    """Why no more routes can be had, whatever the app does; "" while they can."""

    async def start(self) -> None:
        """Make ready; OSError when that fails."""

    async def route(self, node: int) -> Route:
        """Return a route that `node` chose, or raise NoRouteError."""

    def close(self) -> None:
        """Give everything back."""


class TcpConnector:
    """Routes to one address; what is behind it chooses the pod."""

    nodes = 1
    lost = ""

    def __init__(self, target: TcpTarget) -> None:
        self._target = target
        self._family, self._address = socket.AF_INET, ("", 0)

    async def start(self) -> None:
        """Look the host up once, so that the load measures the app and not the resolver."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self._target.host, self._target.port, type=socket.SOCK_STREAM
        )
        self._family, _, _, _, self._address = found[0]  # type: ignore[assignment]

    async def route(self, node: int) -> Route:
        """Return a new socket for the address."""
        fresh = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        return Route(node, "", self._address, fresh)

    def close(self) -> None:
        """Nothing is held."""


class DialerConnector:
    """Routes from the local cluster: each node's proxier chooses, and hands out a socket.

    The protocol is that of podready.cluster.proxy.dialer: JSON over AF_UNIX SOCK_SEQPACKET, the
    socket by SCM_RIGHTS.
    """

    def __init__(self, target: DialerTarget) -> None:
        self._target = target
        self.nodes = target.nodes
        self.lost = ""
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        self._waiting: dict[int, asyncio.Future[Route]] = {}
        self._unsent: deque[bytes] = deque()
        self._next_id = 0

    async def start(self) -> None:
        """Connect to the dialer's socket."""
        with short(Path(self._target.path)) as name:
            self._socket.connect(name)
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    async def route(self, node: int) -> Route:
        """Ask `node` for an endpoint of the Service and a socket in its pod's network."""
        if self.lost:
            raise NoRouteError(self.lost)
        self._next_id += 1
        request = self._next_id
        answer: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
        self._waiting[request] = answer
        try:
            self._send(
                orjson.dumps(
                    {
                        "id": request,
                        "service": self._target.service,
                        "port": self._target.port,
                        "node": node,
                    }
                )
            )
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                answer.result().socket.close()  # it came too late for the request's timeout
            raise
        finally:
            self._waiting.pop(request, None)

    def close(self) -> None:
        """Close the socket; requests still waiting fail."""
        if self._socket.fileno() < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.remove_writer(self._socket)
        self._socket.close()
        self._lose(DIALER_LOST)

    def _send(self, message: bytes) -> None:
        self._unsent.append(message)
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._unsent:
                self._socket.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            loop.add_writer(self._socket, self._flush)
        except OSError:
            self.close()
        else:
            loop.remove_writer(self._socket)

    def _receive(self) -> None:
        try:
            while True:
                message, descriptors, _, _ = socket.recv_fds(self._socket, PACKET, 1)
                if not message:
                    self.close()
                    return
                self._answer(orjson.loads(message), descriptors)
        except BlockingIOError:
            pass  # all that has arrived is read
        except OSError:
            self.close()

    def _answer(self, fact: dict[str, Any], descriptors: list[int]) -> None:
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        waiting = self._waiting.get(fact["id"])
        if waiting is None or waiting.done():  # its request has timed out meanwhile
            for unwanted in sockets:
                unwanted.close()
        elif sockets:
            sockets[0].setblocking(False)
            address = (fact["ip"], fact["port"])
            waiting.set_result(Route(fact["node"], fact["pod"], address, sockets[0]))
        else:
            waiting.set_exception(NoRouteError(fact["error"], fact.get("pod", "")))

    def _lose(self, reason: str) -> None:
        self.lost = reason
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NoRouteError(reason))


def connector_for(target: DialerTarget | TcpTarget) -> Connector:
    """Return the connector of a plan's target."""
    return TcpConnector(target) if isinstance(target, TcpTarget) else DialerConnector(target)
