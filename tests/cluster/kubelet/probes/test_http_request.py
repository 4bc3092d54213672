"""The GET of probes and hooks, against real servers on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from podready.cluster.kubelet.probes.http_request import HttpRequestError, HttpTarget, get

ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "/busy": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "/until-close": b"HTTP/1.0 200 OK\r\n\r\nok",
    "/endless": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65536,
    "/moved": b"HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n",
    "/elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\n\r\n",
    "/circle": b"HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n",
    "/nonsense": b"SSH-2.0-OpenSSH\r\n",
    "/nothing": b"",
}


class Server:
    """Answers by path with raw bytes, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(request)
        path = request.split()[1].partition("?")[0]
        if path == "/slow":
            await reader.read()
        writer.write(ANSWERS.get(path, b""))
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Return a running server."""
    made = Server()
    listening = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await listening.wait_closed()


def dial() -> socket.socket:
    """Return a fresh socket, as a sandbox does."""
    sock = socket.socket()
    sock.setblocking(False)
    return sock


Ask = Callable[[str], HttpTarget]


@pytest.fixture
def target(server: Server) -> Ask:
    """Return a maker of targets on the server."""
    return lambda path: HttpTarget("127.0.0.1", server.port, path)


@pytest.mark.parametrize("path", ["/ok", "/chunked", "/until-close", "/moved"])
async def test_answers(target: Ask, path: str) -> None:
    """A body may have a length, chunks, or end with the connection; redirects are followed."""
    answer = await get(dial, target(path), "kube-probe/1", 5)

    assert (answer.status, answer.body) == (200, b"ok")


async def test_other_answers(target: Ask) -> None:
    """Any status is an answer; a redirect to another host is not followed; much is cut short."""
    assert (await get(dial, target("/busy"), "x", 5)).status == 503
    assert (await get(dial, target("/elsewhere"), "x", 5)).status == 302
    assert len((await get(dial, target("/endless"), "x", 5)).body) == 10 * 1024


async def test_headers(server: Server) -> None:
    """Own headers are sent, and one of the usual names replaces the usual value."""
    headers = (("host", "example.org"), ("X-Own", "1"))
    await get(dial, HttpTarget("127.0.0.1", server.port, "/ok?a=1", headers=headers), "agent", 5)

    [request] = server.requests
    assert request.startswith("GET /ok?a=1 HTTP/1.1\r\n")
    assert "Host: example.org\r\n" in request
    assert "X-Own: 1\r\n" in request
    assert "User-Agent: agent\r\n" in request


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nonsense", "malformed HTTP response"),
        ("/nothing", "EOF"),
        ("/circle", "stopped after 10 redirects"),
    ],
)
async def test_no_answer(target: Ask, path: str, message: str) -> None:
    """What is not HTTP, or nothing at all, is an error."""
    with pytest.raises(HttpRequestError, match=message):
        await get(dial, target(path), "x", 5)


async def test_too_late_and_refused(target: Ask) -> None:
    """The timeout covers everything; a port where nobody listens refuses; both as Go words it."""
    with pytest.raises(HttpRequestError, match=r"Client\.Timeout exceeded"):
        await get(dial, target("/slow"), "x", 0.05)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(
            HttpRequestError, match=f"127.0.0.1:{port}: connect: connection refused"
        ):
            await get(dial, HttpTarget("127.0.0.1", port), "x", 5)
