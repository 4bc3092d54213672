"""One HTTP request and its answer: the item in flight, and the `send` that its app calls.

Thousands a second are made, so it holds references only; ids, titles and the line of code that
it waits at are computed when they are asked for. `send` is a plain function that returns the
server's awaitable: a coroutine of its own would cost more than all that it does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from podready.runtime.requests.inflight import InFlightItem, ItemKind
from podready.runtime.tracing.headers import ASKS_FOR_POD, NO_HEADERS, RELEVANT, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podready.runtime.asgi_types import Message, Scope, Send
    from podready.runtime.metrics.http import MethodSeries
    from podready.runtime.tracing.spans import Span

CLOSE: Final = (b"connection", b"close")

_EVENT_STREAM: Final = b"text/event-stream"
_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_REQUEST: Final = ItemKind.REQUEST
"""An enum's member is looked up by a descriptor before Python 3.12."""

_monotonic: Final = time.monotonic


class Serving:
    """What all requests of a process share; `draining` is set when the drain begins.

    `pod` is the pod's name, and `client_gone` returns whether the client of a `send` has left.
    """

    __slots__ = ("client_gone", "draining", "pod")

    def __init__(self, pod: bytes, client_gone: Callable[[Send], bool]) -> None:
        self.draining = False
        self.pod = pod
        self.client_gone = client_gone


class HttpRequest(InFlightItem):
    """One request in flight."""

    __slots__ = (
        "_end_requested",
        "_pod",
        "_serving",
        "_stream",
        "_tail",
        "series",
        "server_send",
        "size",
        "span",
        "status",
    )

    name = ""

    def __init__(self, serving: Serving, scope: Scope, send: Send) -> None:
        # Sets all slots of InFlightItem by itself: to call its constructor would cost a tenth of
        # what podready adds to a request.
        self.kind = _REQUEST
        self.scope = scope
        self.route = self._id = ""
        self._trace = self.task = self.thread = self.end = None
        self.ended = self.client_gone = self._stream = False
        self._serving = serving
        self.server_send = send
        self.series: MethodSeries | None = None
        self.span: Span | None = None
        self.status = 500  # what the engine answers when the app raises before it answered
        self.size = 0
        self.started = _monotonic()
        headers: dict[bytes, bytes] | None = None
        for name, value in scope["headers"]:
            if name in RELEVANT:
                headers = {} if headers is None else headers
                headers[name] = b"%b,%b" % (headers[name], value) if name in headers else value
        self.headers = headers or NO_HEADERS
        self._pod = serving.pod if headers and ASKS_FOR_POD in headers else None

    @property
    def agent(self) -> bytes:
        """The caller's User-Agent."""
        return self.headers.get(USER_AGENT, b"")

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message, with one more header where the drain or a rehearsal asks for it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message.get("headers") or ():
                # In lower case by the specification, but not from Django.
                if len(name) == 12 and name.lower() == b"content-type":
                    if value.startswith(_EVENT_STREAM):
                        self._begin_stream()
                    break
            if self._pod is not None or self._serving.draining:
                message = self._with_headers(message)
        elif self._stream:
            return self._send_event(message)
        else:
            self.size += len(message.get("body", b""))
        return self.server_send(message)

    def _with_headers(self, message: Message) -> Message:
        """Add `Connection: close` while draining, and the pod's name for a rehearsal."""
        headers = list(message.get("headers") or ())
        if self._serving.draining and not self.multiplexed:
            headers = [pair for pair in headers if pair[0].lower() != b"connection"]
            headers.append(CLOSE)
        if self._pod is not None:
            headers.append((ASKS_FOR_POD, self._pod))
        return {**message, "headers": headers}

    def _begin_stream(self) -> None:
        self._stream = True
        self._end_requested = False
        self._tail = b""
        self.kind = ItemKind.STREAM
        self.end = self.end_stream

    async def _send_event(self, message: Message) -> None:
        if self.ended:
            raise OSError("the pod is shutting down: this stream has been ended")
        if self._serving.client_gone(self.server_send):
            self.client_gone = True
            raise ConnectionResetError("the client of this stream is gone")
        await self.server_send(message)
        self.size += len(message.get("body", b""))
        self._tail = (self._tail + message.get("body", b"")[-4:])[-4:]
        if not message.get("more_body", False):
            self._stream = False
            self.end = None
        elif self._end_requested:
            await self.end_stream()

    async def end_stream(self) -> None:
        """End the stream properly: now if no event is half sent, else right after it."""
        self._end_requested = True
        if self.ended or not self._stream:
            return
        if not self._tail or self._tail.endswith(_EVENT_ENDS):
            self.ended = True
            await self.server_send({"type": "http.response.body", "body": b"", "more_body": False})


async def refuse_send(_message: Message) -> None:
    """Raise OSError: a request that the app has left sends no more."""
    raise OSError("the app has left this request already")
