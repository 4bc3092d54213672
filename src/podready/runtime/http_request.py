"""One HTTP request and its answer: the work in flight, and the `send` that its app is given.

Thousands a second are made, so it holds references only; ids, titles and the line of code it
stands at are worked out when somebody asks. `send` is a plain function that returns the server's
awaitable: a coroutine of its own would cost more than all it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.contract import POD_HEADER
from podready.runtime.inflight import Kind, Scope, Work

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from podready.runtime.asgi import Message, Send, Wrapper
    from podready.runtime.http_metrics import Door
    from podready.runtime.tracing import Span

CLOSE: Final = (b"connection", b"close")

_POD_HEADER: Final = POD_HEADER.encode()
_REQUEST_ID: Final = b"x-request-id"
_USER_AGENT: Final = b"user-agent"
_TRACEPARENT: Final = b"traceparent"
_LOOKED_AT: Final = frozenset({_POD_HEADER, _REQUEST_ID, _USER_AGENT, _TRACEPARENT})

_EVENT_STREAM: Final = b"text/event-stream"
_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_REQUEST: Final = Kind.REQUEST
"""An enum's member is looked up by a descriptor before Python 3.12."""


class HttpRequest(Work):
    """One request under way."""

    __slots__ = (
        "_pod",
        "_send",
        "_stream",
        "_tail",
        "_wish",
        "_wrapper",
        "agent",
        "door",
        "size",
        "span",
        "status",
        "traced",
    )

    def __init__(self, wrapper: Wrapper, scope: Scope, send: Send) -> None:
        Work.__init__(self, _REQUEST, scope)
        self._wrapper = wrapper
        self._send = send
        self._pod: bytes | None = None
        self._stream = False
        self._tail = b""
        self._wish = False
        self.agent = b""
        self.traced = False  # the caller sent a traceparent
        self.door: Door | None = None
        self.span: Span | None = None
        self.status = 500  # what the engine answers when the app raises before it answered
        self.size = 0
        for name, value in scope["headers"]:
            if name in _LOOKED_AT:
                self._note(name, value)

    def _note(self, name: bytes, value: bytes) -> None:
        if name == _USER_AGENT:
            self.agent = value
        elif name == _REQUEST_ID:
            self._id = value
        elif name == _TRACEPARENT:
            self.traced = True
        else:
            self._pod = self._wrapper.pod

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on, marked where the drain asks for it."""
        if self._stream:
            return self._send_event(message)
        if message["type"] == "http.response.start":
            message = self._mark(message)
        else:
            self.size += len(message.get("body", b""))
        return self._send(message)

    def _mark(self, message: Message) -> Message:
        self.status = message["status"]
        headers = message.get("headers") or ()
        for name, value in headers:  # in lower case by the specification, but not from Django
            if len(name) == 12 and name.lower() == b"content-type":
                if value.startswith(_EVENT_STREAM):
                    self._stream = True
                    self.kind = Kind.STREAM
                    self.end = self.end_stream
                break
        draining = self._wrapper.draining and not self.multiplexed
        if not draining and self._pod is None:
            return message
        marked = [pair for pair in headers if not draining or pair[0].lower() != b"connection"]
        if draining:
            marked.append(CLOSE)
        if self._pod is not None:
            marked.append((_POD_HEADER, self._pod))
        return {**message, "headers": marked}

    async def _send_event(self, message: Message) -> None:
        if self.ended:
            raise OSError("the pod is shutting down: this stream has been ended")
        if self._wrapper.client_gone(self._send):
            self.gone = True
            raise ConnectionResetError("the client of this stream is gone")
        await self._send(message)
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
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
