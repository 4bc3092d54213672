"""One WSGI request and its answer: the app's side on a thread, the client's side on the loop.

The two sides share a queue of chunks. The thread appends and announces; the loop takes all chunks
each time it wakes, so that a short answer crosses in one piece. Headers wait for the
first chunk (PEP 3333), so that a failure before it is still a 500. Once the client is gone, or
the drain has ended a stream, the app's next chunk raises OSError in its thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from podready.runtime.app.call_failures import call_site
from podready.runtime.app.timeouts import ExitCalledError
from podready.runtime.requests.inflight import CURRENT
from podready.runtime.wsgi.environ import environ_of
from podready.runtime.wsgi.input import ClientLeftError

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Receive, Scope, Send
    from podready.runtime.wsgi.input import RestOfBody

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]

_MAX_QUEUED: Final = 8
"""Chunks that the app may be ahead of its client; then its thread waits."""

_log = logging.getLogger("podready.wsgi")


class WsgiExchange:
    """One request; the bridge calls `run` on a thread and `deliver` on the loop."""

    __slots__ = (
        "_announce",
        "_chunks",
        "_complete",
        "_error",
        "_finished",
        "_gone",
        "_head",
        "_input",
        "_length",
        "_rest",
        "_room",
        "_scope",
        "_seen",
        "_started",
        "_waiter",
        "_watcher",
        "context",
    )

    def __init__(
        self,
        announce: Callable[[WsgiExchange], None],
        scope: Scope,
        body: BinaryIO,
        rest: RestOfBody | None,
    ) -> None:
        self.context = contextvars.copy_context()
        self._announce = announce
        self._scope = scope
        self._input = body
        self._rest = rest
        self._chunks: deque[bytes] = deque()
        self._head: tuple[str, Headers] | None = None
        self._length: int | None = None  # Content-Length of the app
        self._started = False  # the head may go out
        self._complete = False  # the app has returned its last chunk
        self._finished = False  # the thread is done, close() included
        self._error: BaseException | None = None
        self._gone = False  # no client reads the answer any more
        self._seen = True  # the loop has seen all announcements
        self._room: threading.Event | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    # On the thread

    def run(self, app: WsgiApp) -> None:
        """Call the app and queue its answer; never raises."""
        item = CURRENT.get()
        if item is not None:
            item.thread = threading.get_ident()
        try:
            if not self._gone:  # else it went while the request waited for a thread
                self._call(app)
        except SystemExit as error:  # raised on the loop, it would end the whole worker
            self._error = ExitCalledError(error)
        except BaseException as error:  # noqa: BLE001 - the loop raises it where the engine sees it
            self._error = error
        if item is not None:
            item.thread = None
        self._finished = True
        self._notify()

    @call_site
    def _call(self, app: WsgiApp) -> None:
        chunks = app(environ_of(self._scope, self._input), self._start_response)
        try:
            for chunk in chunks:
                if chunk:
                    self._write(chunk)
            if self._head is None:
                raise RuntimeError("the app returned without calling start_response")
            self._started = self._complete = True
            self._notify()  # before close(), which may take as long as it likes
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self._started:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this frame
        if self._head is not None and exc_info is None:
            raise AssertionError("start_response was called twice")
        self._head = (status, headers)
        self._length = None
        for name, value in headers:
            if len(name) == 14 and name.lower() == "content-length":
                self._length = int(value)
        return self._write

    def _write(self, chunk: bytes) -> None:
        if self._gone:
            raise OSError("this answer has no reader: the client is gone, or the pod is stopping")
        if self._head is None:
            raise AssertionError("the app sent a body before it called start_response")
        if not isinstance(chunk, bytes):
            raise TypeError(f"a WSGI app must yield bytes, not {type(chunk).__name__}")
        self._started = True
        self._chunks.append(chunk)
        self._notify()
        if len(self._chunks) >= _MAX_QUEUED:
            self._wait_for_room()

    def _notify(self) -> None:
        """Announce to the loop, unless it is about to wake anyway."""
        if self._seen:
            self._seen = False
            self._announce(self)

    def _wait_for_room(self) -> None:
        if self._room is None:
            self._room = threading.Event()
        self._room.clear()
        while len(self._chunks) >= _MAX_QUEUED and not self._gone:
            self._room.wait()
            self._room.clear()

    # On the loop

    def wake(self) -> None:
        """Go on with what the thread has queued; called after each announcement."""
        self._seen = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def deliver(self, send: Send, receive: Receive) -> None:
        """Send the answer; returns when the thread is done with the request as well.

        Raises what the app raised before its answer was whole, for the engine to answer 500.
        """
        try:
            await self._wait_for_thread()
            if self._head is not None and self._started:
                await self._send_head(send)
                await self._send_body(send, receive)
            await self._wait_for_thread_end()
        except asyncio.CancelledError:
            self._abandon()
            raise
        except Exception:
            # The request is in flight until its thread has noticed.
            self._abandon()
            await self._wait_for_thread_end()
            raise
        finally:
            if self._watcher is not None:
                self._watcher.cancel()
        self._raise_error()

    async def _wait_for_thread(self) -> None:
        """Wait for a thread and its first chunk; the stuck report shows this name till then."""
        while not self._finished and not self._started:
            await self._announcement()

    def _announcement(self) -> asyncio.Future[None]:
        """Return a future for the thread's next announcement."""
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    async def _send_head(self, send: Send) -> None:
        assert self._head is not None
        status, headers = self._head
        pairs = [
            (name.encode("latin-1").lower(), value.encode("latin-1")) for name, value in headers
        ]
        if self._complete and self._length is None and self._may_have_length(status):
            body = b"".join(self._chunks)
            self._chunks.clear()
            self._chunks.append(body)
            pairs.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": pairs})

    def _may_have_length(self, status: str) -> bool:
        """Whether a Content-Length may be added: not for HEAD (RFC 9110, section 8.6)."""
        return self._scope["method"] != "HEAD" and not status.startswith(("1", "204", "304"))

    async def _send_body(self, send: Send, receive: Receive) -> None:
        while not self._gone:
            if self._chunks:
                chunk = self._chunks.popleft()
                more = bool(self._chunks) or not self._complete
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
                if not more:
                    return
                if self._room is not None:
                    self._room.set()
            elif self._complete:
                await send({"type": "http.response.body", "body": b""})
                return
            elif self._finished:
                return  # it failed half way: see `_raise_error`
            else:
                self._watch(receive)
                await self._announcement()

    def _watch(self, receive: Receive) -> None:
        """Watch for the end of the client, once the app has read the whole body."""
        if self._watcher is None and (self._rest is None or self._rest.ended):
            watch = self._until_disconnected(receive)
            self._watcher = asyncio.get_running_loop().create_task(watch, name="wsgi watcher")

    async def _until_disconnected(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._abandon()

    def _abandon(self) -> None:
        self._gone = True
        if self._room is not None:
            self._room.set()

    async def _wait_for_thread_end(self) -> None:
        while not self._finished:
            await self._announcement()

    def _raise_error(self) -> None:
        error = self._error
        if error is None or self._gone or isinstance(error, ClientLeftError):
            return
        if not self._complete:
            raise error
        # The answer is whole: raising would make the engine cut the connection.
        _log.error("closing the answer failed", exc_info=error)
