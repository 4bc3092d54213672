"""What the stop does to streams, WebSockets, background tasks and queued connections."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import ExitStack

import pytest
import websockets
from tests.runtime.conftest import StartPod, eventually
from websockets.asyncio.client import ClientConnection, connect

pytestmark = pytest.mark.slow

STREAMS = """
import asyncio

async def events(send, gap):
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/event-stream")]})
    number = 0
    while True:
        number += 1
        # An event in two pieces: it must not be cut between them.
        await send({"type": "http.response.body", "body": b"data: %d" % number,
                    "more_body": True})
        await asyncio.sleep(gap)
        await send({"type": "http.response.body", "body": b"\\n\\n", "more_body": True})

async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": event["text"]})

async def background(send):
    await send({"type": "http.response.start", "status": 202,
                "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
    await asyncio.sleep(1)
    print('{"severity": "INFO", "message": "background done"}', flush=True)

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await echo(receive, send)
        return
    assert scope["type"] == "http"
    if scope["path"] == "/events":
        await events(send, 0.2)
    elif scope["path"] == "/background":
        await background(send)
    else:
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
"""


def read_all(client: socket.socket) -> bytes:
    """Read until the peer closes."""
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def test_an_event_stream_ends_properly(start_pod: StartPod) -> None:
    """An endless SSE stream is ended after a whole event, with the last chunk, and we exit 0."""
    pod = start_pod(STREAMS, "--grace-period", "20s").ready()
    with pod.connect() as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("streams") == 1, "the stream is counted")
        pod.send(signal.SIGTERM)
        answer = read_all(client)
    assert answer.endswith(b"2\r\n\n\n\r\n0\r\n\r\n")
    assert pod.end() == 0
    assert not [line for line in pod.log if line["severity"] in {"ERROR", "CRITICAL"}]


def test_a_websocket_is_closed_with_1012(start_pod: StartPod) -> None:
    """A WebSocket client is told "service restart", and the app that it is gone."""
    pod = start_pod(STREAMS, "--grace-period", "20s").ready()

    async def talk() -> int | None:
        async with connect(f"ws://127.0.0.1:{pod.port}/echo") as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            pod.send(signal.SIGTERM)
            try:
                await client.recv()
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None
        return None

    assert asyncio.run(talk()) == 1012
    assert pod.end() == 0
    assert not [line for line in pod.log if line["severity"] in {"ERROR", "CRITICAL"}]


def test_many_websockets_are_all_told(start_pod: StartPod) -> None:
    """Two hundred WebSockets are each closed with 1012, and the process ends with 0."""
    pod = start_pod(STREAMS, "--grace-period", "30s").ready()

    async def hold(client: ClientConnection) -> int | None:
        try:
            await client.recv()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None
        return None

    async def talk() -> list[int | None]:
        url = f"ws://127.0.0.1:{pod.port}/echo"
        clients = [await connect(url, compression=None) for _ in range(200)]
        pod.send(signal.SIGTERM)
        return list(await asyncio.gather(*(hold(client) for client in clients)))

    assert asyncio.run(talk()) == [1012] * 200
    assert pod.end() == 0


def test_background_work_of_a_request_is_waited_for(start_pod: StartPod) -> None:
    """Work that goes on after the answer counts as in flight."""
    pod = start_pod(STREAMS, "--grace-period", "20s").ready()
    assert pod.get("/background")[0] == 202
    assert pod.stop() == 0
    assert "background done" in pod.messages()


def test_a_named_task_is_waited_for(start_pod: StartPod) -> None:
    """`podready.track` keeps the process until it is done, and its name is in the progress line."""
    pod = start_pod(
        """
        import asyncio, podready
        async def consume():
            with podready.track("consume orders"):
                await podready.wait_for_shutdown()
                assert podready.shutting_down()
                await asyncio.sleep(0.5)
                print('{"severity": "INFO", "message": "order done"}', flush=True)
        async def app(scope, receive, send):
            await receive()
            job = asyncio.create_task(consume())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        """,
        "--grace-period",
        "20s",
    ).ready()
    eventually(lambda: pod.workers()[0]["inflight"] == 1, "the task is counted")
    assert pod.stop() == 0
    assert "order done" in pod.messages()


def test_the_accept_queue_is_served(start_pod: StartPod) -> None:
    """Connections that the kernel accepted while the loop was blocked are served, not reset."""
    pod = start_pod(
        """
        import time
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            if scope["path"] == "/block":
                time.sleep(2)
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        """,
        "--grace-period",
        "20s",
    ).ready()
    with ExitStack() as connections:
        blocker = connections.enter_context(pod.connect())
        blocker.sendall(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
        silent = pod.workers()[0]["last_heartbeat"]
        eventually(
            lambda: pod.workers()[0]["last_heartbeat"] > max(silent, 0.7), "the loop is blocked"
        )
        queued = [connections.enter_context(pod.connect()) for _ in range(20)]
        pod.send(signal.SIGTERM)
        pod.phase("closing")
        for client in queued:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [read_all(client) for client in queued]
    assert all(answer.endswith(b"ok") for answer in answers)
    assert all(b"connection: close" in answer.lower() for answer in answers)
    assert pod.end() == 0


def test_idle_connections_do_not_keep_the_process(start_pod: StartPod) -> None:
    """Kept-alive connections without a request are closed, and the process ends at once."""
    pod = start_pod(STREAMS, "--grace-period", "20s").ready()
    with ExitStack() as connections:
        clients = [connections.enter_context(pod.connect()) for _ in range(50)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok"):
                answer += client.recv(65536)
        pod.send(signal.SIGTERM)
        assert [client.recv(1) for client in clients] == [b""] * 50
        assert pod.end() == 0


def test_a_client_that_reads_nothing_is_cut_in_time(start_pod: StartPod) -> None:
    """A client that stopped reading its answer cannot keep the pod beyond its deadline."""
    pod = start_pod(
        """
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1000):
                await send({"type": "http.response.body", "body": b"x" * 65536,
                            "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        """,
        "--grace-period",
        "4s",
        "--hook-time",
        "1s",
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        assert pod.stop() == 0
    assert pod.line("still under way at the deadline")["stuck"]["title"] == "GET /"


def test_slow_loris_at_the_admin_port(start_pod: StartPod) -> None:
    """Clients that never finish their request do not keep the probes from answering."""
    pod = start_pod(STREAMS).ready()
    with ExitStack() as connections:
        for _ in range(300):
            client = socket.create_connection(("127.0.0.1", pod.admin), timeout=5)
            connections.enter_context(client).sendall(b"GET /livez HTT")
        assert pod.probe("/livez")[0] == 200
        assert pod.stop() == 0


def test_a_stream_that_a_task_group_sends_ends_quietly(start_pod: StartPod) -> None:
    """The error of a `send` that came too late is in an exception group then, and no failure."""
    pod = start_pod(
        """
        import asyncio

        async def tell(send):
            while True:
                await send({"type": "http.response.body", "body": b"data: 1\\n\\n",
                            "more_body": True})
                await asyncio.sleep(0.05)

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-type", b"text/event-stream")]})
            async with asyncio.TaskGroup() as group:
                group.create_task(tell(send))
        """
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("streams") == 1, "the stream is in flight")
        pod.send(signal.SIGTERM)
        assert b"data: 1" in read_all(client)
    assert pod.end() == 0
    assert pod.errors() == []
