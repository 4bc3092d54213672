"""One HTTP request and its answer: the work in flight, and the `send` that its app is given.

Thousands a second are made, so it holds references only; ids, titles and the line of code it
stands at are worked out when somebody asks. `send` is a plain function that returns the server's
awaitable: a coroutine of its own would cost more than all it does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from podready.runtime.requests.inflight import Kind, Work
from podready.runtime.tracing.headers import ASKS_FOR_POD, NONE, READ, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podready.runtime.asgi_types import Message, Scope, Send
    from podready.runtime.metrics.http import Door
    from podready.runtime.tracing.spans import Span

CLOSE: Final = (b"connection", b"close")

_EVENT_STREAM: Final = b"text/event-stream"
_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_REQUEST: Final = Kind.REQUEST
"""An enum's member is looked up by a descriptor before Python 3.12."""

_monotonic: Final = time.monotonic


class Serving:
    """What every request of a worker has to know of it; `draining` is set when the drain begins.

    `pod` is the pod's name, and `client_gone` tells whether the client of a `send` has left.
    """

    __slots__ = ("client_gone", "draining", "pod")

    def __init__(self, pod: bytes, client_gone: Callable[[Send], bool]) -> None:
        self.draining = False
        self.pod = pod
        self.client_gone = client_gone


class HttpRequest(Work):
    """One request under way."""

    __slots__ = (
        "_pod",
        "_serving",
        "_stream",
        "_tail",
        "_wish",
        "door",
        "send_on",
        "size",
        "span",
        "status",
    )

    name = ""

    def __init__(self, serving: Serving, scope: Scope, send: Send) -> None:
        # All of Work's own, for one frame more is a tenth of what podready costs a request.
        self.kind = _REQUEST
        self.scope = scope
        self.route = self._id = ""
        self._trace = self.task = self.thread = self.end = None
        self.ended = self.gone = self._stream = False
        self._serving = serving
        self.send_on = send
        self.door: Door | None = None
        self.span: Span | None = None
        self.status = 500  # what the engine answers when the app raises before it answered
        self.size = 0
        self.started = _monotonic()
        said: dict[bytes, bytes] | None = None
        for name, value in scope["headers"]:
            if name in READ:
                said = {} if said is None else said
                said[name] = b"%b,%b" % (said[name], value) if name in said else value
        self.said = said or NONE
        self._pod = serving.pod if said and ASKS_FOR_POD in said else None

    @property
    def agent(self) -> bytes:
        """The caller's User-Agent."""
        return self.said.get(USER_AGENT, b"")

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on, marked where the drain or a rehearsal asks for it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message.get("headers") or ():
                # In lower case by the specification, but not from Django.
                if len(name) == 12 and name.lower() == b"content-type":
                    if value.startswith(_EVENT_STREAM):
                        self._begin_stream()
                    break
            if self._pod is not None or self._serving.draining:
                message = self._mark(message)
        elif self._stream:
            return self._send_event(message)
        else:
            self.size += len(message.get("body", b""))
        return self.send_on(message)

    def _mark(self, message: Message) -> Message:
        """Say goodbye while draining, and which pod this is to a rehearsal that asked."""
        marked = list(message.get("headers") or ())
        if self._serving.draining and not self.multiplexed:
            marked = [pair for pair in marked if pair[0].lower() != b"connection"]
            marked.append(CLOSE)
        if self._pod is not None:
            marked.append((ASKS_FOR_POD, self._pod))
        return {**message, "headers": marked}

    def _begin_stream(self) -> None:
        self._stream = True
        self._wish = False  # to end
        self._tail = b""
        self.kind = Kind.STREAM
        self.end = self.end_stream

    async def _send_event(self, message: Message) -> None:
        if self.ended:
            raise OSError("the pod is shutting down: this stream has been ended")
        if self._serving.client_gone(self.send_on):
            self.gone = True
            raise ConnectionResetError("the client of this stream is gone")
        await self.send_on(message)
        self.size += len(message.get("body", b""))
        self._tail = (self._tail + message.get("body", b"")[-4:])[-4:]
        if not message.get("more_body", False):
            self._stream = False
            self.end = None
        elif self._wish:
            await self.end_stream()

    async def end_stream(self) -> None:
        """End the stream properly: now if no event is half sent, else right after it."""
        self._wish = True
        if self.ended or not self._stream:
            return
        if not self._tail or self._tail.endswith(_EVENT_ENDS):
            self.ended = True
            await self.send_on({"type": "http.response.body", "body": b"", "more_body": False})


async def too_late(_message: Message) -> None:
    """Be the `send` of a request that is over."""
    raise OSError("the app has left this request already")
