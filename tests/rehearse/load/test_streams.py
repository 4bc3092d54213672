"""Streams kept open: opened, ended cleanly, cut, refused, opened again; all with real servers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from tests.rehearse.load.conftest import Peer, StartServer
from websockets.sync.server import Server as WebSocketServer
from websockets.sync.server import ServerConnection, serve

from podready.clock import SYSTEM_CLOCK
from podready.rehearse.load.connector import TcpConnector
from podready.rehearse.load.plan import LoadPlan, TcpTarget
from podready.rehearse.load.streams import Streams
from podready.rehearse.load.summary import StreamEnd

MakePlan = Callable[..., LoadPlan]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"9\r\ndata: 1\n\n\r\n"
Follow = Callable[..., Awaitable[list[StreamEnd]]]


@pytest.fixture
def follow(plan: MakePlan) -> Follow:
    """Return a function that keeps one stream open until it has ended `count` times."""

    async def run(path: str, port: int, count: int = 1) -> list[StreamEnd]:
        target = TcpTarget("127.0.0.1", port)
        connector = TcpConnector(target)
        await connector.start()
        streams = Streams(plan(target=target, streams=(path,)), connector, SYSTEM_CLOCK.monotonic)
        streams.start()
        deadline = SYSTEM_CLOCK.monotonic() + 20
        while len(streams.ends) < count:
            assert SYSTEM_CLOCK.monotonic() < deadline
            await asyncio.sleep(0.01)
        await streams.stop()
        return streams.ends

    return run


async def test_an_event_stream_that_ends_its_chunks_is_clean_and_opened_again(
    start_server: StartServer, follow: Follow
) -> None:
    """The last chunk says that the server meant to end; the client comes back."""

    def behave(peer: Peer) -> None:
        assert b"Accept: text/event-stream" in peer.read()
        peer.send(HEAD + EVENT + b"0\r\n\r\n")

    server = start_server(behave)
    ends = await follow("/events", server.port, count=2)
    assert [(e.path, e.end, e.detail) for e in ends[:2]] == [("/events", "clean", "")] * 2
    assert ends[0].opened <= ends[0].ended <= ends[1].opened


@pytest.mark.parametrize(
    ("last", "detail"), [(Peer.close, "closed without an end"), (Peer.reset, "ECONNRESET")]
)
async def test_an_event_stream_that_breaks_is_cut(
    start_server: StartServer, follow: Follow, last: Callable[[Peer], None], detail: str
) -> None:
    """A connection that just ends, by FIN or RST, cut the stream."""
    seen = threading.Event()

    def behave(peer: Peer) -> None:
        peer.read()
        peer.send(HEAD + EVENT)
        seen.wait(0.2)  # a reset may overtake the bytes before it
        last(peer)

    (end,) = await follow("/events", start_server(behave).port)
    assert (end.end, end.detail) == ("cut", detail)


async def test_a_stream_that_never_opens_is_refused(
    start_server: StartServer, follow: Follow
) -> None:
    """A wrong status or a closed port is no cut: there was no stream."""

    def behave(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

    server = start_server(behave)
    (end,) = await follow("/events", server.port)
    assert (end.end, end.detail) == ("refused", "status 503")
    server.close_listener()
    (end,) = await follow("/events", server.port)
    assert (end.end, end.detail) == ("refused", "ECONNREFUSED")


@pytest.fixture
def websocket_server() -> Iterator[Callable[[Callable[[ServerConnection], None]], int]]:
    """Start WebSocket servers that are gone after the test; returns the port."""
    running: list[tuple[WebSocketServer, threading.Thread]] = []

    def start(handler: Callable[[ServerConnection], None]) -> int:
        server = serve(handler, "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        port: int = server.socket.getsockname()[1]
        return port

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join(10)
        assert not thread.is_alive()


StartWebSocket = Callable[[Callable[[ServerConnection], None]], int]


@pytest.mark.slow
async def test_a_websocket_with_a_close_frame_is_clean(
    websocket_server: StartWebSocket, follow: Follow
) -> None:
    """1012 (service restart) is how a draining server says goodbye."""
    port = websocket_server(lambda connection: connection.close(1012, "restarting"))
    ends = await follow("ws:/echo", port)
    assert (ends[0].path, ends[0].end, ends[0].detail) == ("ws:/echo", "clean", "1012")


async def test_a_websocket_whose_connection_breaks_is_cut(
    websocket_server: StartWebSocket, follow: Follow
) -> None:
    """Without a close frame (1006 to an application) the stream was cut."""
    port = websocket_server(lambda connection: connection.socket.shutdown(2))
    (end,) = await follow("ws:/echo", port)
    assert end.end == "cut"


async def test_a_websocket_answers_pings(websocket_server: StartWebSocket, follow: Follow) -> None:
    """An idle client that answers pings stays connected."""
    answered = []

    def handler(connection: ServerConnection) -> None:
        answered.append(connection.ping().wait(10))
        connection.close()

    (end,) = await follow("ws:/echo", websocket_server(handler))
    assert answered == [True]
    assert (end.end, end.detail) == ("clean", "1000")


async def test_a_websocket_that_is_not_one_is_refused(
    start_server: StartServer, follow: Follow
) -> None:
    """An ordinary answer to the upgrade is a refusal."""
    (end,) = await follow("ws:/echo", start_server().port)
    assert end.end == "refused"


async def test_a_stream_still_open_at_the_end_is_told_as_open(
    start_server: StartServer, plan: MakePlan
) -> None:
    """Stopping the load is nobody's cut."""
    opened = asyncio.Event()
    loop = asyncio.get_running_loop()

    def behave(peer: Peer) -> None:
        peer.read()
        peer.send(HEAD + EVENT)
        loop.call_soon_threadsafe(opened.set)
        peer.read()

    target = TcpTarget("127.0.0.1", start_server(behave).port)
    connector = TcpConnector(target)
    await connector.start()
    streams = Streams(plan(target=target, streams=("/events",)), connector, SYSTEM_CLOCK.monotonic)
    streams.start()
    await asyncio.wait_for(opened.wait(), 20)
    await streams.stop()
    assert [(e.end, e.path, e.node) for e in streams.ends] == [("open", "/events", 0)]
