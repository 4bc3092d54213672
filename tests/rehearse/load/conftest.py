"""A server whose every byte a test decides, and a load against it."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podready.rehearse.load.connector import connector_for
from podready.rehearse.load.generator import Generator
from podready.rehearse.load.plan import Connection, LoadPlan, RequestKind, Sample, TcpTarget
from podready.rehearse.load.samples import SampleFile, read_samples
from podready.rehearse.load.summary import LoadSummary

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.connection, self.number = connection, number
        self.requests = 0

    def read(self) -> bytes:
        """Return the next request, head and body; b"" when the client has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.connection.recv(65536)
            if not part:
                return b""
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.split(b":")[1]):
                    body += self.connection.recv(65536)
        self.requests += 1
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.connection.sendall(data)

    def reset(self) -> None:
        """Close with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.connection.close()

    def close(self) -> None:
        """Close with FIN, for good, although another thread may be reading."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


Behaviour = Callable[[Peer], None]


def answer_all(peer: Peer) -> None:
    """Answer every request on the connection."""
    while peer.read():
        peer.send(HELLO)


class Server:
    """A TCP server that runs one behaviour a connection, each in a thread."""

    def __init__(self, behaviour: Behaviour, host: str, port: int) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server((host, port), backlog=512)
        self.host, self.port = self._listener.getsockname()
        self.peers: list[Peer] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(connection, len(self.peers))
            self.peers.append(peer)
            self._threads.append(threading.Thread(target=self._serve, args=(peer,)))
            self._threads[-1].start()

    def _serve(self, peer: Peer) -> None:
        with suppress(OSError):
            self._behaviour(peer)
        peer.close()

    def close_listener(self) -> None:
        """Refuse new connections from here on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """End every connection and thread."""
        self.close_listener()
        self._threads[0].join(10)
        for peer in self.peers:
            peer.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


StartServer = Callable[..., Server]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start servers that are gone after the test."""
    with ExitStack() as servers:

        def start(
            behaviour: Behaviour = answer_all, host: str = "127.0.0.1", port: int = 0
        ) -> Server:
            server = Server(behaviour, host, port)
            servers.callback(server.close)
            return server

        yield start


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., LoadPlan]:
    """Return a maker of plans: `count` requests at 200 a second, all of one kind."""

    def make(server: Server | None = None, *, count: int = 10, **changes: Any) -> LoadPlan:
        usual = LoadPlan(
            target=TcpTarget("127.0.0.1", server.port if server else 1),
            rate=200.0,
            requests=(RequestKind("hello", timeout=10.0),),
            connections=((Connection.PINNED, 1.0),),
            max_seconds=count / 200.0,
            samples=str(tmp_path / "samples.jsonl"),
        )
        return replace(usual, **changes)

    return make


async def play(
    plan: LoadPlan,
    until: Callable[[Generator], Awaitable[None]] = Generator.planned_out,
    timeout: float | None = None,
) -> tuple[list[Sample], LoadSummary]:
    """Run a plan in this process, stop it when `until` is over; return its samples and account."""
    connector = connector_for(plan.target)
    await connector.start()
    log = SampleFile(Path(plan.samples))
    generator = Generator(plan, connector, log)
    generator.start()
    try:
        await asyncio.wait_for(until(generator), 30)
    finally:
        await generator.stop(timeout)
        summary = generator.summary()
        log.close()
        connector.close()
    await asyncio.sleep(0)  # closed transports tell their protocols in the loop's next turn
    return read_samples(plan.samples), summary


@pytest.fixture
def run_plan() -> Callable[..., Awaitable[tuple[list[Sample], LoadSummary]]]:
    """Return the function that runs a plan."""
    return play
