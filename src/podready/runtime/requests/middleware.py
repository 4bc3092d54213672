"""The wrapper around the user's app: every request passes through it once, in every engine.

It counts work in and out, puts `Connection: close` on every answer while draining, ends streams
between two events, answers the supervisor's self-test, and names the pod to a rehearsal.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from podready.contract import SELF_TEST_HEADER, SELF_TEST_PATH
from podready.runtime.app.call_failures import CallFailures, call_site
from podready.runtime.app.shutdown_notice import shutting_down, wait_for_shutdown
from podready.runtime.logs import add_source
from podready.runtime.metrics.counters import METER
from podready.runtime.requests.access_line import log_access
from podready.runtime.requests.inflight import CURRENT, InFlight, Kind, Work, task_finder
from podready.runtime.requests.observer import Observer
from podready.runtime.requests.request import CLOSE, HttpRequest, Serving, too_late

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podready.runtime.asgi_types import App, Message, Receive, Scope, Send
    from podready.runtime.requests.concurrency_limit import Limit

SERVICE_RESTART = 1012
"""RFC 6455's registry: "Service Restart", which asks the client to reconnect after a pause."""

_OURS = {
    "podready.shutdown": {"shutting_down": shutting_down, "wait_for_shutdown": wait_for_shutdown}
}
"""For frameworks and libraries that would rather look at the scope than import podready."""


class Wrapper:
    """An ASGI app around the user's; `serving.draining` is set when the drain begins."""

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
        pod = os.environ.get("HOSTNAME", "").encode("latin-1", "replace")
        self.serving = Serving(pod, client_gone)
        self.served = 0
        self._current_task: Callable[[], asyncio.Task[Any] | None] = asyncio.current_task
        self._app = app
        self._inflight = inflight
        self._works = inflight.works
        self._limit = limit
        self.observer = observer or Observer()
        self._call_failures = CallFailures()
        self.self_test_path = SELF_TEST_PATH  # under a root path it is longer
        self._secret = secret.encode()
        self._access_log = access_log

    def stay_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Know that no other loop will ever serve here, which makes tasks cheaper to find."""
        self._current_task = task_finder(loop)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one scope; a plain function, because each coroutine frame costs at every resume."""
        if scope["type"] == "http":
            if scope["path"] == self.self_test_path:
                return self._serve_self_test(scope, receive, send)
            serving = self.serving
            if serving.draining:
                METER.late_request()
            return self._serve_http(HttpRequest(serving, scope, send), scope, receive)
        if scope["type"] == "websocket":
            return self._serve_websocket(scope, receive, send)
        return self._app(scope, receive, send)

    @call_site
    async def _serve_http(self, work: HttpRequest, scope: Scope, receive: Receive) -> None:
        """Serve a request in this one frame, or in one more where there is a limit.

        What `_enter` and `_leave` do stands here once more: in an app that has just filled the
        processor's caches with its own, each function called costs several times its time alone.
        """
        failure: BaseException | None = None
        self.observer.begin(work, scope)
        token = CURRENT.set(work)
        try:
            if self._limit is None:
                extensions = scope.get("extensions")
                scope["extensions"] = {**extensions, **_OURS} if extensions else _OURS.copy()
                work.task = self._current_task()
                self._works.add(work)
                await self._app(scope, receive, work.send)
            else:
                await self._serve_limited(self._limit, work, receive)
        except BaseException as error:
            if not _is_ours(error, work):
                failure = error
                self._call_failures.note(error, worked=self._has_worked())
                raise
        finally:
            if failure is None:  # else the server will log it, and that line shall have its ids
                CURRENT.reset(token)
            if work.task is not None:
                self._works.discard(work)
                if not self._works:
                    self._inflight.emptied()
                work.task = None
                self.served += 1
                if self._access_log:
                    log_access(scope, work)
            self.observer.end(work, scope, failure)
            # The server's keep-alive timer keeps the context of the request, and so `work`, longer
            # than its own exchange; what hangs on both would pile up and set off the collector.
            work.scope = None
            work.send_on = too_late

    def recheck_calls(self) -> None:
        """See whether an app that could not be called can be by now; costs nothing else."""
        self._call_failures.recheck(worked=self._has_worked())

    def _has_worked(self) -> bool:
        return self.served > self._call_failures.count

    @call_site
    async def _serve_limited(self, limit: Limit, work: HttpRequest, receive: Receive) -> None:
        assert work.scope is not None
        if not await limit.enter():
            METER.shed()
            await _answer_busy(work.send)
            return
        try:
            self._enter(work, work.scope)
            await self._app(work.scope, receive, work.send)
        finally:
            limit.leave()

    def _enter(self, work: Work, scope: Scope) -> None:
        """Count `work` in."""
        extensions = scope.get("extensions")
        scope["extensions"] = {**extensions, **_OURS} if extensions else _OURS.copy()
        work.task = self._current_task()
        self._inflight.add(work)

    def _leave(self, work: Work) -> None:
        """Count `work` out, and cut the cycle of task, context and work: it would need the gc."""
        self._inflight.discard(work)
        work.task = None
        self.served += 1

    async def _serve_self_test(self, scope: Scope, receive: Receive, send: Send) -> None:
        secrets = [value for name, value in scope["headers"] if name == SELF_TEST_HEADER]
        if not secrets:
            await self._serve_http(HttpRequest(self.serving, scope, send), scope, receive)
            return
        known = secrets[0] == self._secret
        headers = [CLOSE] if known else [CLOSE, (b"content-length", b"0")]
        status = 204 if known else 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = Work(Kind.WEBSOCKET, scope)
        socket = _WebSocket(work, send)
        work.end = socket.end
        token = CURRENT.set(work)
        self._enter(work, scope)
        try:
            await self._app(scope, receive, socket.send)
        except BaseException as error:
            if not _is_ours(error, work):
                raise
        finally:
            self._leave(work)
            CURRENT.reset(token)


def _is_ours(error: BaseException, work: Work) -> bool:
    """Whether an app ended with what we did to its stream: our cancel, or the error of `send`."""
    if isinstance(error, asyncio.CancelledError):
        return work.ended
    return isinstance(error, OSError) and work.over


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


def _fields_under_way() -> dict[str, object] | None:
    """Return what every log line of the request under way gets."""
    work = CURRENT.get()
    return None if work is None else work.log_fields()


add_source(_fields_under_way)
