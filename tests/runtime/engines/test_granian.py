"""granian as the engine, where it differs from uvicorn; tests/frameworks runs the rest on both."""

from __future__ import annotations

import http.client
import signal
import socket
from contextlib import closing

import pytest
from tests.runtime.conftest import TIMEOUT, StartPod, eventually
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from podready.errors import MissingExtra
from podready.runtime import engines
from podready.runtime.engines.granian_http import GranianExchange

GRANIAN = ("--engine", "granian")

HELLO = """
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        if scope["path"] == "/boom":
            raise ValueError("boom")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hello"})
"""


@pytest.mark.slow
def test_it_serves_and_ends(start_pod: StartPod) -> None:
    """The whole life on granian, with an answer that has no headers of its own."""
    pod = start_pod(HELLO, *GRANIAN).ready()
    status, headers, body = pod.get("/")
    assert (status, headers["server"], body) == (200, "granian", b"hello")
    assert pod.stop() == 0
    assert not pod.noise


@pytest.mark.slow
def test_an_exception_is_logged_once(start_pod: StartPod) -> None:
    """500 for the client, and one line with the traceback in its own field."""
    pod = start_pod(HELLO, *GRANIAN).ready()
    assert pod.get("/boom")[0] == 500
    assert "ValueError: boom" in pod.line("exception in the app")["stack_trace"]
    pod.stop()
    assert sum("exception" in message for message in pod.messages()) == 1


@pytest.mark.slow
def test_two_workers_share_the_socket(start_pod: StartPod) -> None:
    """One listening socket for all: with one worker stopped, the other takes every connection."""
    source = """
        import os
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
    """
    pod = start_pod(source, *GRANIAN, "--workers", "2").ready()
    seen = eventually(
        lambda: _both({pod.get("/")[2] for _ in range(20)}), "both workers have answered"
    )
    assert {int(pid) for pid in seen} == {worker["pid"] for worker in pod.workers()}
    assert pod.stop() == 0


def _both(pids: set[bytes]) -> set[bytes] | None:
    return pids if len(pids) == 2 else None


def test_an_idle_connection_is_closed_after_the_keep_alive_timeout(start_pod: StartPod) -> None:
    """hyper's limit for the next head is our keep-alive timeout."""
    pod = start_pod(HELLO, *GRANIAN, "--keep-alive-timeout", "500ms").ready()
    with closing(pod.connect()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.read() == b"hello"
        assert client.recv(1) == b""


SOCKETS = """
    import podready
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"hello"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        heard = await receive()
        while heard["type"] != "websocket.disconnect":
            heard = await receive()
        open("code", "w").write(str(heard["code"]))
"""


@pytest.mark.slow
def test_a_silent_websocket_is_closed_before_the_engine_stops(start_pod: StartPod) -> None:
    """granian alone would cut it; the client gets 1012, and the app hears of it."""
    pod = start_pod(SOCKETS, *GRANIAN).ready()
    with connect(f"ws://127.0.0.1:{pod.port}/") as client:
        assert client.recv(TIMEOUT) == "hello"
        pod.send(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(TIMEOUT)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert pod.end() == 0
    assert (pod.directory / "code").read_text() == "1012"


STREAM = """
    import asyncio, contextlib
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"text/event-stream")]})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"data: x\\n\\n",
                            "more_body": True})
                await asyncio.sleep(0.01)
        finally:
            open("over", "w").close()
"""


def test_a_stream_whose_client_has_left_ends(start_pod: StartPod) -> None:
    """granian's send never fails, so the exchange finds out by itself."""
    pod = start_pod(STREAM, *GRANIAN).ready()
    with closing(pod.connect()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(10)
    eventually((pod.directory / "over").exists, f"over: {pod.noise} {pod.log}")


async def test_listening_for_the_client_takes_nothing_from_the_app() -> None:
    """A body that arrives while the exchange listens is kept for the app, in order."""
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": False},
        {"type": "http.disconnect"},
    ]
    coming = iter(messages)

    async def receive() -> dict[str, object]:
        return next(coming)

    async def send(_message: dict[str, object]) -> None: ...

    exchange = GranianExchange(receive, send)
    assert not exchange.client_gone()
    assert [await exchange.receive() for _ in messages] == messages
    assert exchange.client_gone()
    exchange.close()


def test_the_port_is_taken(start_pod: StartPod) -> None:
    """The sentence is the same as on uvicorn, and the exit code too."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        pod = start_pod(HELLO, *GRANIAN, "--port", str(other.getsockname()[1]))
        assert pod.end() == 3
    assert "is taken by another process" in str([*pod.log, *pod.noise])


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the line that installs it."""
    monkeypatch.setitem(engines.ENGINES, "granian", "granian_that_is_not_there:Engine")
    monkeypatch.setitem(engines.ENGINES, "granian_that_is_not_there", "granian_that_is_not_there:X")
    with pytest.raises(MissingExtra, match="pip install 'podready"):
        engines.engine_class("granian_that_is_not_there")
