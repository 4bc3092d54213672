"""The middleware around the user's app: every request passes through it once, in every engine.

It counts requests in and out, adds `Connection: close` to every answer while draining, ends
streams between two events, answers the supervisor's self-test, and names the pod for a rehearsal.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podready.contract import SELF_TEST_HEADER, SELF_TEST_PATH
from podready.runtime.app.call_failures import call_site
from podready.runtime.requests.access_line import log_access
from podready.runtime.requests.inflight import CURRENT, InFlightItem, ItemKind, task_finder
from podready.runtime.requests.instrumentation import Instrumentation
from podready.runtime.requests.request import CLOSE, HttpRequest, Serving, refuse_send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podready.runtime.app.call_failures import CallFailures
    from podready.runtime.app.shutdown_notice import ShutdownNotice
    from podready.runtime.asgi_types import App, Message, Receive, Scope, Send
    from podready.runtime.metrics.counters import Counters
    from podready.runtime.requests.concurrency_limit import ConcurrencyLimit
    from podready.runtime.requests.inflight import InFlight

SERVICE_RESTART = 1012
"""RFC 6455's registry: "Service Restart", which asks the client to reconnect after a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareOptions:
    """How a middleware serves.

    `secret` is the self-test's, whose path is below `root_path`; `client_gone` returns whether the
    client of a `send` has left, and `limit` is None for any number of requests at once.
    """

    client_gone: Callable[[Send], bool]
    secret: str = ""
    access_log: bool = False
    limit: ConcurrencyLimit | None = None
    root_path: str = ""


class Middleware:
    """An ASGI app around the user's; `serving.draining` is set when the drain begins."""

    def __init__(
        self,
        app: App,
        in_flight: InFlight,
        options: MiddlewareOptions,
        *,
        counters: Counters,
        shutdown: ShutdownNotice,
        call_failures: CallFailures,
        instrumentation: Instrumentation | None = None,
    ) -> None:
        pod = os.environ.get("HOSTNAME", "").encode("latin-1", "replace")
        self.serving = Serving(pod, options.client_gone)
        self.served = 0
        self.instrumentation = instrumentation or Instrumentation()
        self._current_task: Callable[[], asyncio.Task[Any] | None] = asyncio.current_task
        self._app = app
        self._in_flight = in_flight
        self._items = in_flight.items
        self._counters = counters
        self._call_failures = call_failures
        self._extensions = shutdown_extension(shutdown)
        self._limit = options.limit
        self._self_test_path = options.root_path + SELF_TEST_PATH
        self._secret = options.secret.encode()
        self._access_log = options.access_log

    def stay_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve on `loop` only, which makes the current task cheaper to find."""
        self._current_task = task_finder(loop)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one scope; a plain function, because each coroutine frame costs at every resume."""
        if scope["type"] == "http":
            if scope["path"] == self._self_test_path:
                return self._serve_self_test(scope, receive, send)
            serving = self.serving
            if serving.draining:
                self._counters.request_during_drain()
            return self._serve_http(HttpRequest(serving, scope, send), scope, receive)
        if scope["type"] == "websocket":
            return self._serve_websocket(scope, receive, send)
        return self._app(scope, receive, send)

    @call_site
    async def _serve_http(self, request: HttpRequest, scope: Scope, receive: Receive) -> None:
        """Serve a request in this one frame, or in one more where there is a limit.

        It repeats what `_enter` and `_leave` do: in an app that has just filled the processor's
        caches with its own, each function called costs several times its time alone.
        """
        failure: BaseException | None = None
        self.instrumentation.begin(request, scope)
        token = CURRENT.set(request)
        try:
            if self._limit is None:
                extensions = scope.get("extensions")
                added = self._extensions
                scope["extensions"] = {**extensions, **added} if extensions else added.copy()
                request.task = self._current_task()
                self._items.add(request)
                await self._app(scope, receive, request.send)
            else:
                await self._serve_limited(self._limit, request, receive)
        except BaseException as error:
            if not _caused_by_drain(error, request):
                failure = error
                self._call_failures.note(error, worked=self._has_worked())
                raise
        finally:
            if failure is None:  # else the server will log it, in a line that needs the ids
                CURRENT.reset(token)
            if request.task is not None:
                self._items.discard(request)
                if not self._items:
                    self._in_flight.notify_empty()
                request.task = None
                self.served += 1
                if self._access_log:
                    log_access(scope, request)
            self.instrumentation.end(request, scope, failure)
            # The server's keep-alive timer holds the context, and so the request, longer than its
            # own exchange; what both refer to would pile up and trigger the collector.
            request.scope = None
            request.server_send = refuse_send

    def recheck_calls(self) -> None:
        """See whether an app that could not be called can be by now; for each heartbeat."""
        self._call_failures.recheck(worked=self._has_worked())

    def _has_worked(self) -> bool:
        return self.served > self._call_failures.count

    @call_site
    async def _serve_limited(
        self, limit: ConcurrencyLimit, request: HttpRequest, receive: Receive
    ) -> None:
        assert request.scope is not None
        if not await limit.acquire():
            self._counters.request_rejected()
            await _send_503(request.send)
            return
        try:
            self._enter(request, request.scope)
            await self._app(request.scope, receive, request.send)
        finally:
            limit.release()

    def _enter(self, item: InFlightItem, scope: Scope) -> None:
        """Count `item` in."""
        extensions = scope.get("extensions")
        added = self._extensions
        scope["extensions"] = {**extensions, **added} if extensions else added.copy()
        item.task = self._current_task()
        self._in_flight.add(item)

    def _leave(self, item: InFlightItem) -> None:
        """Count `item` out, and cut its cycle with task and context, which would need the gc."""
        self._in_flight.discard(item)
        item.task = None
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
        item = InFlightItem(ItemKind.WEBSOCKET, scope)
        socket = _WebSocket(item, send)
        item.end = socket.end
        token = CURRENT.set(item)
        self._enter(item, scope)
        try:
            await self._app(scope, receive, socket.send)
        except BaseException as error:
            if not _caused_by_drain(error, item):
                raise
        finally:
            self._leave(item)
            CURRENT.reset(token)


def _caused_by_drain(error: BaseException, item: InFlightItem) -> bool:
    """Whether the drain made the app raise: by a cancelled task, or by the error of `send`."""
    if isinstance(error, BaseExceptionGroup):  # what a task group makes of it
        return all(_caused_by_drain(each, item) for each in error.exceptions)
    if isinstance(error, asyncio.CancelledError):
        return item.ended
    return isinstance(error, OSError) and item.closed


class _WebSocket:
    """One WebSocket: it can be closed from outside, by the drain."""

    __slots__ = ("_accepted", "_item", "_send")

    def __init__(self, item: InFlightItem, send: Send) -> None:
        self._item = item
        self._send = send
        self._accepted = False

    async def send(self, message: Message) -> None:
        """Send a message; after the drain's close the app gets the error of a lost client."""
        if self._item.ended:
            raise OSError("the pod is shutting down: this WebSocket has been closed")
        if message["type"] == "websocket.accept":
            self._accepted = True
        elif message["type"] == "websocket.close":
            self._item.end = None
        await self._send(message)

    async def end(self) -> None:
        """Close it with 1012; one that is not accepted yet is left to the app."""
        if self._item.ended or not self._accepted:
            return
        self._item.ended = True
        await self._send(
            {"type": "websocket.close", "code": SERVICE_RESTART, "reason": "service restart"}
        )


async def _send_503(send: Send) -> None:
    body = b"too many requests at once\n"
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def shutdown_extension(shutdown: ShutdownNotice) -> dict[str, dict[str, object]]:
    """Return the extension of a scope, for libraries that would rather not import podready."""
    functions: dict[str, object] = {
        "shutting_down": shutdown.shutting_down,
        "wait_for_shutdown": shutdown.wait_for_shutdown,
    }
    return {"podready.shutdown": functions}
