"""The wrapper around the user's app: every request passes through it once, in every engine.

It counts work in and out, puts `Connection: close` on every answer while draining, ends streams
between two events, answers the supervisor's self-test, and names the pod to a rehearsal.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from podready.contract import POD_HEADER
from podready.runtime.inflight import CURRENT, InFlight, Kind, Scope, Work
from podready.runtime.logs import add_source
from podready.runtime.logs.access_log import log_request
from podready.runtime.logs.shape import Request
from podready.runtime.meter import METER
from podready.runtime.notice import shutdown_notice, shutting_down
from podready.runtime.observation import Observer
from podready.runtime.selftest import SELF_TEST_HEADER, SELF_TEST_PATH

if TYPE_CHECKING:
    from podready.runtime.shedding import Limit

SERVICE_RESTART = 1012
"""RFC 6455's registry: "Service Restart", which asks the client to reconnect after a pause."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_CLOSE = (b"connection", b"close")
_POD_HEADER = POD_HEADER.encode()
_REQUEST_ID = b"x-request-id"
_USER_AGENT = b"user-agent"
_EXTENSION = {"podready.shutdown": {"given": shutting_down, "notice": shutdown_notice}}
"""For frameworks and libraries that would rather look at the scope than import podready."""

_EVENT_STREAM = b"text/event-stream"
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class Wrapper:
    """An ASGI app around the user's; `draining` is set when the drain begins."""

    def __init__(
        self,
        app: App,
        inflight: InFlight,
        *,
        secret: str,
        access_log: bool,
        client_gone: Callable[[Send], bool],
        limit: Limit | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.draining = False
        self.served = 0
        self._app = app
        self._inflight = inflight
        self.client_gone = client_gone
        self._limit = limit
        self._observer = observer or Observer()
        self._secret = secret.encode()
        self._access_log = access_log
        self._pod = os.environ.get("HOSTNAME", "").encode("latin-1", "replace")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = False
        request_id = agent = b""
        for name, value in scope["headers"]:
            if name == _REQUEST_ID:
                request_id = value
            elif name == _USER_AGENT:
                agent = value
            elif name == _POD_HEADER:
                named = True
            elif name == SELF_TEST_HEADER and scope["path"] == SELF_TEST_PATH:
                await self._answer_self_test(value, send)
                return
        work = Work(Kind.REQUEST, scope=scope, given_id=request_id)
        answer = _Answer(self, work, send, self._pod if named else None)
        if self.draining:
            METER.late_request()
        observation = self._observer.begin(work)
        try:
            await self._admit(work, answer, receive, agent)
        except BaseException as error:
            observation.failure = error
            raise
        finally:
            observation.end(answer.status)

    async def _admit(self, work: Work, answer: _Answer, receive: Receive, agent: bytes) -> None:
        assert work.scope is not None
        if self._limit is not None and not await self._limit.enter():
            METER.shed()
            await _answer_busy(answer.send)
            return
        try:
            await self._run(work, work.scope, receive, answer.send)
        finally:
            if self._limit is not None:
                self._limit.leave()
            if self._access_log:
                _log_access(work.scope, work, answer, agent)

    async def _answer_self_test(self, secret: bytes, send: Send) -> None:
        known = secret == self._secret
        headers = [_CLOSE] if known else [_CLOSE, (b"content-length", b"0")]
        status = 204 if known else 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = Work(Kind.WEBSOCKET, scope=scope)
        socket = _WebSocket(work, send)
        work.end = socket.end
        await self._run(work, scope, receive, socket.send)

    async def _run(self, work: Work, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {**scope.get("extensions", {}), **_EXTENSION}
        work.task = asyncio.current_task()
        token = CURRENT.set(work)
        self._inflight.add(work)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not work.ended:
                raise
        except OSError:
            if not work.over:  # else it is our own, from `send`
                raise
        finally:
            self._inflight.discard(work)
            self.served += 1
            CURRENT.reset(token)


class _Answer:
    """One HTTP answer on its way out."""

    __slots__ = (
        "_pod",
        "_send",
        "_stream",
        "_tail",
        "_wish",
        "_work",
        "_wrapper",
        "size",
        "status",
    )

    def __init__(self, wrapper: Wrapper, work: Work, send: Send, pod: bytes | None) -> None:
        self._wrapper = wrapper
        self._work = work
        self._send = send
        self._pod = pod
        self._stream = False
        self._tail = b""
        self._wish = False
        self.status = 500  # what the engine answers when the app raises before it answered
        self.size = 0

    async def send(self, message: Message) -> None:
        """Pass a message on, marked where the drain asks for it."""
        if self._stream:
            await self._send_event(message)
            return
        if message["type"] == "http.response.start":
            message = self._mark(message)
        else:
            self.size += len(message.get("body", b""))
        await self._send(message)

    def _mark(self, message: Message) -> Message:
        self.status = message["status"]
        headers = message.get("headers") or ()
        for name, value in headers:  # in lower case by the specification, but not from Django
            if name.lower() == b"content-type" and value.startswith(_EVENT_STREAM):
                self._stream = True
                self._work.kind = Kind.STREAM
                self._work.end = self.end
        draining = self._wrapper.draining and not self._work.multiplexed
        if not draining and self._pod is None:
            return message
        marked = [pair for pair in headers if not draining or pair[0].lower() != b"connection"]
        if draining:
            marked.append(_CLOSE)
        if self._pod is not None:
            marked.append((_POD_HEADER, self._pod))
        return {**message, "headers": marked}

    async def _send_event(self, message: Message) -> None:
        if self._work.ended:
            raise OSError("the pod is shutting down: this stream has been ended")
        if self._wrapper.client_gone(self._send):
            self._work.gone = True
            raise ConnectionResetError("the client of this stream is gone")
        await self._send(message)
        self.size += len(message.get("body", b""))
        self._tail = (self._tail + message.get("body", b"")[-4:])[-4:]
        if not message.get("more_body", False):
            self._stream = False
            self._work.end = None
        elif self._wish:
            await self.end()

    async def end(self) -> None:
        """End the stream properly: now if no event is half sent, else right after it."""
        self._wish = True
        if self._work.ended or not self._stream:
            return
        if not self._tail or self._tail.endswith(_EVENT_ENDS):
            self._work.ended = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _WebSocket:
    """One WebSocket: it can be closed from outside, by the drain."""

    __slots__ = ("_accepted", "_send", "_work")

    def __init__(self, work: Work, send: Send) -> None:
        self._work = work
        self._send = send
        self._accepted = False

    async def send(self, message: Message) -> None:
        """Pass a message on; after our own close the app is told that the client is gone."""
        if self._work.ended:
            raise OSError("the pod is shutting down: this WebSocket has been closed")
        if message["type"] == "websocket.accept":
            self._accepted = True
        elif message["type"] == "websocket.close":
            self._work.end = None
        await self._send(message)

    async def end(self) -> None:
        """Close it with 1012; one that is not accepted yet is left to the app."""
        if self._work.ended or not self._accepted:
            return
        self._work.ended = True
        await self._send(
            {"type": "websocket.close", "code": SERVICE_RESTART, "reason": "service restart"}
        )


async def _answer_busy(send: Send) -> None:
    body = b"too many requests at once\n"
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _log_access(scope: Scope, work: Work, answer: _Answer, agent: bytes) -> None:
    client = scope.get("client")
    request = Request(
        scope["method"],
        scope["path"],
        answer.status,
        answer.size,
        time.monotonic() - work.started,
        client[0] if client else "",
        agent.decode("latin-1"),
        f"HTTP/{scope['http_version']}",
    )
    log_request(request, work.request_id, work.trace)


def _fields_under_way() -> dict[str, object] | None:
    """Return what every log line of the request under way gets."""
    work = CURRENT.get()
    return None if work is None else work.log_fields()


add_source(_fields_under_way)
