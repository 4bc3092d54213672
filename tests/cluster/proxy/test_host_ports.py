"""Named ports of this machine: relayed to its loopback, both ways and with every kind of end."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from podready.cluster.proxy.host_ports import HostPorts


class OtherLoopback:
    """Stands in for the pods' network: HOST_ADDRESS is 127.0.0.2 here."""

    joins_pods = True

    def listen(self, ip: str, port: int) -> socket.socket:
        """Return a listener."""
        assert ip == "10.96.0.2"
        made = socket.create_server(("127.0.0.2", port))
        made.setblocking(False)
        return made

    def datagrams(self, ip: str, port: int) -> socket.socket:
        """Host ports are TCP only."""
        raise AssertionError


@pytest.fixture
async def database() -> AsyncIterator[socket.socket]:
    """Return a listener on this machine's loopback, with a host port that leads to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        ports = HostPorts(OtherLoopback(), [listener.getsockname()[1]])
        ports.start()
        yield listener
        await ports.stop()


async def ends(database: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection through the host port: the pod's and the database's."""
    pod = socket.create_connection(("127.0.0.2", database.getsockname()[1]))
    pod.setblocking(False)
    server, _ = await asyncio.get_running_loop().sock_accept(database)
    return pod, server


async def test_bytes_and_half_close(database: socket.socket) -> None:
    """The question's end arrives as an end, and the answer still comes back."""
    loop = asyncio.get_running_loop()
    pod, server = await ends(database)
    with pod, server:
        await loop.sock_sendall(pod, b"question")
        pod.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(server, 100) == b"question"
        assert await loop.sock_recv(server, 100) == b""
        await loop.sock_sendall(server, b"answer")
        server.close()
        assert await loop.sock_recv(pod, 100) == b"answer"
        assert await loop.sock_recv(pod, 100) == b""


async def test_a_reset_is_a_reset(database: socket.socket) -> None:
    """A database that dies is not mistaken for one that said goodbye."""
    pod, server = await ends(database)
    with pod:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(pod, 1)


async def test_a_database_that_is_down_is_a_reset(database: socket.socket) -> None:
    """Nobody behind the port: the connection ends at once."""
    address = ("127.0.0.2", database.getsockname()[1])
    database.close()
    with socket.create_connection(address) as pod:
        pod.setblocking(False)
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(pod, 1)
