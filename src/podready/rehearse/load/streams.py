"""Streams kept open during the load: server-sent events and WebSockets, one a node and path.

A stream is not lost when its pod goes, as long as the server ends it in the protocol's own way:
a whole chunked answer, a close frame. A connection that just breaks is a cut. Either way the
client opens it again, as browsers do.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

import httptools
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidMessage
from websockets.protocol import CLOSED, OPEN, State
from websockets.uri import parse_uri

from podready.rehearse.load.connection import errno_name
from podready.rehearse.load.connector import Connector, NoRouteError, Route
from podready.rehearse.load.summary import StreamEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.rehearse.load.plan import LoadPlan

REOPEN_SECONDS = 0.5
"""Pause before a stream is opened again; browsers wait longer, but a rehearsal is short."""

_WEBSOCKET = "ws:"


class Stream(ABC):
    """One connection of a stream: what to send first, and what the bytes that come mean."""

    opened = False
    ended: tuple[str, str] | None = None  # ("clean" | "refused", detail) once the server ended it

    @abstractmethod
    def hello(self) -> bytes:
        """Return what opens the stream."""

    @abstractmethod
    def receive(self, data: bytes) -> bytes:
        """Take what came (b"" at the end) and return what to answer."""


class EventStream(Stream):
    """An endless answer to a GET: clean when its chunked body is ended, not just cut off."""

    def __init__(self, host: str, path: str) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"
        ).encode("latin-1")

    def hello(self) -> bytes:
        """Return the request."""
        return self._request

    def receive(self, data: bytes) -> bytes:
        """Feed the answer."""
        if data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                self.ended = ("refused", str(error)[:80])
        return b""

    def on_headers_complete(self) -> None:
        """Open when the status is 200."""
        status = self._parser.get_status_code()
        self.opened = status == 200
        if not self.opened:
            self.ended = ("refused", f"status {status}")

    def on_message_complete(self) -> None:
        """End cleanly."""
        self.ended = self.ended or ("clean", "")


class WebSocket(Stream):
    """A WebSocket: clean when the server sent a close frame (1001 or 1012 when it restarts)."""

    def __init__(self, host: str, path: str) -> None:
        self._protocol = ClientProtocol(parse_uri(f"ws://{host}{path}"))

    def hello(self) -> bytes:
        """Return the upgrade request."""
        self._protocol.send_request(self._protocol.connect())
        return b"".join(self._protocol.data_to_send())

    def receive(self, data: bytes) -> bytes:
        """Feed the frames; pings and close frames are answered by the protocol."""
        with suppress(EOFError):  # an end within a frame is the cut that `ended` stays None for
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
        self._protocol.events_received()
        self.opened = self.opened or self._protocol.state is OPEN
        self._judge(self._protocol.state)
        return b"".join(part for part in self._protocol.data_to_send() if part)

    def _judge(self, state: State) -> None:
        if isinstance(self._protocol.handshake_exc, InvalidHandshake | InvalidMessage):
            self.ended = ("refused", str(self._protocol.handshake_exc)[:80])
        elif self._protocol.close_rcvd is not None:
            self.ended = ("clean", f"{int(self._protocol.close_rcvd.code)}")
        elif state is CLOSED and not self.opened:
            self.ended = ("refused", "no WebSocket answer")


class Streams:
    """Keeps each stream of a plan open at each node, and notes every end."""

    def __init__(
        self, plan: LoadPlan, connector: Connector, monotonic: Callable[[], float]
    ) -> None:
        self._plan, self._connector, self._monotonic = plan, connector, monotonic
        self._tasks: list[asyncio.Task[None]] = []
        self.ends: list[StreamEnd] = []

    def start(self) -> None:
        """Open them all."""
        self._tasks = [
            asyncio.create_task(self._keep_open(path, node))
            for path in self._plan.streams
            for node in range(self._connector.nodes)
        ]

    async def stop(self) -> None:
        """Close them all; those still open are noted as "open"."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_open(self, path: str, node: int) -> None:
        while not self._connector.lost:
            await self._once(path, node)
            await asyncio.sleep(REOPEN_SECONDS)

    async def _once(self, path: str, node: int) -> None:
        opened = self._monotonic()
        pod, end, detail = "", "open", ""
        try:
            route = await self._connector.route(node)
            pod = route.pod
            end, detail = await follow(self._stream(path), route)
        except NoRouteError as error:
            pod, end, detail = error.pod, "refused", error.reason
        finally:
            ended = self._monotonic()
            self.ends.append(StreamEnd(path, node, pod, opened, ended, end, detail))

    def _stream(self, path: str) -> Stream:
        if path.startswith(_WEBSOCKET):
            return WebSocket(self._plan.host, path.removeprefix(_WEBSOCKET))
        return EventStream(self._plan.host, path)


async def follow(stream: Stream, route: Route) -> tuple[str, str]:
    """Run one stream over the route until it ends; return how ("clean", "cut", "refused") and why.

    The socket is closed when this returns, also when it is cancelled.
    """
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(route.socket, route.address)
        await loop.sock_sendall(route.socket, stream.hello())
        while stream.ended is None:
            data = await loop.sock_recv(route.socket, 65536)
            answer = stream.receive(data)
            if answer:
                await loop.sock_sendall(route.socket, answer)
            if not data:
                break
    except OSError as error:
        return stream.ended or ("cut" if stream.opened else "refused", errno_name(error))
    finally:
        route.socket.close()
    return stream.ended or ("cut" if stream.opened else "refused", "closed without an end")
