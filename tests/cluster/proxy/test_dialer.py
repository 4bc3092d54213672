"""The dialer over a real AF_UNIX socket: descriptors that work, refusals, and nothing left."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from podready.cluster.proxy.backends import Backend
from podready.cluster.proxy.dialer import DialServer
from podready.cluster.proxy.proxier import RefusedError
from podready.socket_path import short

REQUEST = {"id": 7, "service": "default/hello", "port": 80, "node": 2}


class Cluster:
    """Where the dialer's connections lead in a test."""

    def __init__(self, port: int) -> None:
        self.backend: Backend | None = Backend("default/a", "127.77.0.1", port)
        self.error: Exception | None = None
        self.asked: list[tuple[int, str, int, str]] = []

    def pick(self, node: int, service: str, port: int, client: str) -> Backend:
        """Return the one backend there is."""
        self.asked.append((node, service, port, client))
        if self.backend is None:
            raise RefusedError("no-endpoints")
        return self.backend

    def dial(self, namespace: str, pod: str) -> socket.socket:
        """Return an ordinary socket, or fail as told."""
        assert (namespace, pod) == ("default", "a")
        if self.error is not None:
            raise self.error
        return socket.socket()


@pytest.fixture
def pod() -> Iterator[socket.socket]:
    """Return a listening socket on an address of its own."""
    with socket.create_server(("127.77.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def cluster(pod: socket.socket) -> Cluster:
    """Return a cluster with one pod."""
    return Cluster(pod.getsockname()[1])


@pytest.fixture
async def server(tmp_path: Path, cluster: Cluster) -> AsyncIterator[DialServer]:
    """Return a running dial server."""
    server = DialServer(tmp_path / "run" / "dialer.sock", cluster.pick, cluster.dial)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: DialServer, tmp_path: Path) -> Iterator[socket.socket]:
    """Return a connected client; its calls run in a thread."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(10)
        with short(tmp_path / "run" / "dialer.sock") as name:
            client.connect(name)
        yield client


async def ask(client: socket.socket, request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """Send one request and return its answer and descriptors."""

    def talk() -> tuple[dict[str, Any], list[int]]:
        client.send(json.dumps(request).encode())
        message, descriptors, _, _ = socket.recv_fds(client, 4096, 4)
        return json.loads(message) if message else {}, descriptors

    return await asyncio.to_thread(talk)


async def test_a_request_gets_a_socket_that_reaches_the_pod(
    client: socket.socket, cluster: Cluster, pod: socket.socket
) -> None:
    """The answer names the pod, and the descriptor connects to it: an end to end conversation."""
    fact, descriptors = await ask(client, REQUEST)
    port = pod.getsockname()[1]
    assert fact == {"id": 7, "node": 2, "pod": "default/a", "ip": "127.77.0.1", "port": port}
    assert cluster.asked == [(2, "default/hello", 80, "node-2")]
    assert os.get_blocking(descriptors[0]) is False
    with socket.socket(fileno=descriptors[0]) as fresh:
        fresh.setblocking(True)
        fresh.connect((fact["ip"], fact["port"]))
        accepted, _ = pod.accept()
        with accepted:
            accepted.sendall(b"hello")
            assert fresh.recv(5) == b"hello"


async def test_a_refused_connection_has_the_kernels_own_errno(
    client: socket.socket, pod: socket.socket
) -> None:
    """When the pod has closed its listener, it is connect() that says ECONNREFUSED."""
    pod.close()
    fact, descriptors = await ask(client, REQUEST)
    with socket.socket(fileno=descriptors[0]) as fresh:
        fresh.setblocking(True)
        assert fresh.connect_ex((fact["ip"], fact["port"])) == errno.ECONNREFUSED


async def test_no_endpoint_is_said_without_a_socket(
    client: socket.socket, cluster: Cluster
) -> None:
    """A refusal of the node itself carries its reason and no descriptor."""
    cluster.backend = None
    assert await ask(client, REQUEST) == ({"id": 7, "node": 2, "error": "no-endpoints"}, [])


@pytest.mark.parametrize("error", [KeyError("a"), ConnectionRefusedError(111, "gone")])
async def test_a_pod_that_is_gone_is_named(
    client: socket.socket, cluster: Cluster, error: Exception
) -> None:
    """A view that still routes to a pod without a network loses the request, and says to whom."""
    cluster.error = error
    fact, descriptors = await ask(client, REQUEST)
    assert (fact["error"], fact["pod"], descriptors) == ("pod-gone", "default/a", [])


async def test_many_requests_at_once_are_all_answered(client: socket.socket) -> None:
    """Requests queue up without an answer being lost or mixed up."""

    def talk() -> list[int]:
        for number in range(100):
            client.send(json.dumps({**REQUEST, "id": number}).encode())
        answers = []
        for _ in range(100):
            message, descriptors, _, _ = socket.recv_fds(client, 4096, 4)
            answers.append(json.loads(message)["id"])
            for descriptor in descriptors:
                os.close(descriptor)
        return answers

    assert await asyncio.to_thread(talk) == list(range(100))


async def test_a_client_that_talks_nonsense_is_dropped_and_others_go_on(
    client: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken client loses its connection and nothing else."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.settimeout(10)
        with short(tmp_path / "run" / "dialer.sock") as name:
            other.connect(name)
        other.send(b"nonsense")
        assert await asyncio.to_thread(other.recv, 100) == b""
    assert "dropped" in caplog.text
    fact, descriptors = await ask(client, REQUEST)
    assert fact["id"] == 7
    os.close(descriptors[0])


async def test_out_of_files_is_not_blamed_on_the_pod(
    client: socket.socket, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """When this machine has no descriptor left, the load is told by the loss of its dialer."""
    cluster.error = OSError(errno.EMFILE, "Too many open files")
    assert await ask(client, REQUEST) == ({}, [])
    assert "Too many open files" in caplog.text


async def test_only_the_owner_may_connect(server: DialServer, tmp_path: Path) -> None:
    """The folder is 0700 and the socket 0600."""
    path = tmp_path / "run" / "dialer.sock"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_stop_leaves_nothing_behind(
    server: DialServer, client: socket.socket, tmp_path: Path
) -> None:
    """The socket file is gone and connected clients see the end."""
    _, descriptors = await ask(client, REQUEST)
    os.close(descriptors[0])
    server.stop()
    assert not (tmp_path / "run" / "dialer.sock").exists()
    assert await asyncio.to_thread(client.recv, 100) == b""
