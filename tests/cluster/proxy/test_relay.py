"""A relay between two sockets: bytes both ways, and every kind of end passed on as it is."""

from __future__ import annotations

import asyncio
import socket
import struct
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest

from podready.cluster.proxy.backends import Backend
from podready.cluster.proxy.dialer import connect_backend
from podready.cluster.proxy.proxier import RefusedError
from podready.cluster.proxy.relay import Relay


class Pod:
    """A pod's listener and the cluster that leads to it; conversations run in threads."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.77.0.2", 0))
        self.listener.settimeout(10)
        self.refused = False
        self.gone = False

    def pick(self) -> Backend:
        """Return the pod's address."""
        if self.refused:
            raise RefusedError("no-endpoints")
        return Backend("default/a", *self.listener.getsockname())

    def dial(self, namespace: str, pod: str) -> socket.socket:
        """Return an ordinary socket."""
        if self.gone:
            raise LookupError(pod)
        return socket.socket()

    def accept(self) -> socket.socket:
        """Return the next connection."""
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        return connection


@pytest.fixture
def pod() -> Iterator[Pod]:
    """Return a pod that listens."""
    pod = Pod()
    yield pod
    pod.listener.close()


def relay_to(pod: Pod) -> tuple[Relay, int]:
    """Return a relay to the pod that accepts, and its port."""

    async def connect_pod(_client: str) -> socket.socket:
        return await connect_backend(pod.dial, pod.pick())

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    relay = Relay(listener, connect_pod)
    relay.start()
    return relay, listener.getsockname()[1]


@pytest.fixture
async def port(pod: Pod) -> AsyncIterator[int]:
    """Return the port of a relay that leads to the pod."""
    relay, port = relay_to(pod)
    yield port
    await relay.stop()


def connect(port: int) -> socket.socket:
    """Return a client's connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def reset(connection: socket.socket) -> None:
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def test_a_browser_gets_the_pods_answer(pod: Pod, port: int) -> None:
    """An ordinary HTTP client works through it."""

    def serve() -> None:
        with pod.accept() as connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    def fetch() -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return bytes(answer.read())

    _, body = await asyncio.gather(asyncio.to_thread(serve), asyncio.to_thread(fetch))
    assert body == b"hello"


async def test_half_close_leaves_the_other_direction_open(pod: Pod, port: int) -> None:
    """A client that has sent everything (FIN) still gets its answer, however long."""
    size = 3_000_000

    def story() -> int:
        with connect(port) as client, pod.accept() as server:
            client.sendall(b"that is all")
            client.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: server.recv(4096), b""))
            assert received == b"that is all"
            sender = socket.socket(fileno=socket.dup(server.fileno()))
            with sender:
                sender.settimeout(10)
                got = 0
                sent = memoryview(bytes(size))
                while sent:
                    sent = sent[sender.send(sent[:50_000]) :]
                    got += len(client.recv(50_000))
                sender.shutdown(socket.SHUT_WR)
                while part := client.recv(100_000):
                    got += len(part)
            return got

    assert await asyncio.to_thread(story) == size


async def test_the_pods_reset_is_the_clients_reset(pod: Pod, port: int) -> None:
    """RST stays RST: a client must not take a broken answer for a whole one."""

    def story() -> None:
        with connect(port) as client:
            reset(pod.accept())
            with pytest.raises(ConnectionResetError):
                client.recv(100)

    await asyncio.to_thread(story)


async def test_the_clients_reset_is_the_pods_reset(pod: Pod, port: int) -> None:
    """A client that goes away does not leave its pod working for nobody."""

    def story() -> None:
        client = connect(port)
        with pod.accept() as server:
            reset(client)
            with pytest.raises(ConnectionResetError):
                server.recv(100)

    await asyncio.to_thread(story)


@pytest.mark.parametrize("how", ["refused", "gone", "closed"])
async def test_no_backend_is_a_reset(pod: Pod, port: int, how: str) -> None:
    """No endpoint, a pod without a network, a closed listener: reset each time, never a hang."""
    if how == "closed":
        address = pod.listener.getsockname()
        pod.listener.close()
        pod.pick = lambda: Backend("default/a", *address)  # type: ignore[method-assign]
    else:
        setattr(pod, how, True)

    def story() -> None:
        with pytest.raises(ConnectionResetError), connect(port) as client:
            client.recv(100)

    await asyncio.to_thread(story)


async def test_stop_resets_what_is_open_and_frees_the_port(pod: Pod) -> None:
    """After stop nothing listens, and a client that was connected knows."""
    relay, port = relay_to(pod)
    client = await asyncio.to_thread(connect, port)
    server = await asyncio.to_thread(pod.accept)
    await relay.stop()
    with client, server, pytest.raises(ConnectionResetError):
        await asyncio.to_thread(client.recv, 100)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(connect, port)
