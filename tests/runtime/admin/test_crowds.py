"""Many clients and bad clients: thousands of idle or half-dead connections at SIGTERM."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import websockets
from tests.runtime.conftest import Pod, StartPod, eventually
from websockets.asyncio.client import ClientConnection, connect

pytestmark = pytest.mark.slow

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process and its pods open some twenty thousand files, or skip saying why not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 12_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this process may open only {hard} files, {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_ten_thousand_idle_connections(start_pod: StartPod) -> None:
    """Ten thousand silent connections at SIGTERM delay nothing; each is closed properly."""
    pod = start_pod(APP, "--grace-period", "30s").ready()
    port = pod.port
    with ExitStack() as connections:
        clients = []
        for _ in range(10_000):
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            clients.append(connections.enter_context(client))
        eventually(lambda: pod.workers()[0].get("connections", 0) >= 10_000, "all are open")
        assert pod.get("/")[2] == b"ok"
        pod.send(signal.SIGTERM)
        assert pod.end(40) == 0
        assert {client.recv(1) for client in clients} == {b""}
    assert not pod.errors()


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_a_thousand_websockets(start_pod: StartPod) -> None:
    """Each of a thousand WebSockets is closed with 1012, and not all at the same moment."""
    pod = start_pod(APP, "--grace-period", "40s").ready()
    url = f"ws://127.0.0.1:{pod.port}/"

    async def hold(client: ClientConnection) -> tuple[int | None, float]:
        try:
            await client.recv()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None, time.monotonic()
        return None, 0.0

    async def talk() -> list[tuple[int | None, float]]:
        clients = []
        for _ in range(20):
            batch = [connect(url, compression=None, open_timeout=60) for _ in range(50)]
            clients += await asyncio.gather(*batch)
        pod.send(signal.SIGTERM)
        return list(await asyncio.gather(*(hold(client) for client in clients)))

    ends = asyncio.run(talk())
    assert [code for code, _ in ends] == [1012] * 1000
    moments = [moment for _, moment in ends]
    assert max(moments) - min(moments) > 1  # spread over 5 s, so that they do not all come back
    assert pod.end(40) == 0
    assert not pod.errors()


def test_slow_loris_is_cut(start_pod: StartPod) -> None:
    """A head that comes drop by drop is given up after the keep-alive timeout, others serve on."""
    pod = start_pod(APP, "--keep-alive-timeout", "1s").ready()
    with pod.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        eventually(lambda: pod.get("/")[2] == b"ok" and _is_cut(client), "it is cut")
    assert pod.stop() == 0


def test_slow_loris_at_sigterm(start_pod: StartPod) -> None:
    """Two hundred clients in the middle of a head hold up no stop."""
    pod = start_pod(APP, "--grace-period", "20m").ready()
    with ExitStack() as connections:
        for _ in range(200):
            connections.enter_context(pod.connect()).sendall(b"GET / HTTP/1.1\r\nX-Slow:")
        assert pod.get("/")[2] == b"ok"
        assert pod.stop() == 0
    assert not pod.errors()


def test_a_body_that_never_comes(start_pod: StartPod) -> None:
    """A request whose body is not sent to its end is cut at the deadline, and named."""
    pod = start_pod(APP, "--grace-period", "4s", "--hook-time", "1s").ready()
    with pod.connect() as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "it is in flight")
        assert pod.stop() == 0
    assert pod.line("still under way at the deadline")["stuck"]["title"] == "POST /upload"


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"]
)
def test_half_closed_sockets_leave_nothing(start_pod: StartPod, sent: bytes) -> None:
    """A client that says it sends no more is let go: before, in the middle of and after a head."""
    pod = start_pod(APP, "--grace-period", "20s").ready()
    with ExitStack() as connections:
        for _ in range(50):
            client = connections.enter_context(pod.connect())
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        eventually(lambda: _nothing_left(pod), "no connection and no request is left")
        assert pod.get("/")[2] == b"ok"
        assert pod.stop() == 0
    assert not pod.errors()


def _is_cut(client: socket.socket) -> bool:
    """Send one more header; return whether the server has closed the connection."""
    try:
        client.sendall(b"X: y\r\n")
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def _nothing_left(pod: Pod) -> bool:
    facts = pod.workers()[0]
    return facts.get("connections") == 0 and facts.get("inflight") == 0
