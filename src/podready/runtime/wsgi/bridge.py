"""A WSGI app behind the ASGI engine, so that both worlds have one stop procedure.

Each request runs on a thread of the bridge: one hop to it, and back only as often as the event loop
wakes. The bridge is podready's own because a2wsgi, which does the same, was measured to cost
more than twice the processor time and to leak a thread for each stream whose client leaves; see
docs/decisions/.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from podready.runtime.wsgi.exchange import WsgiExchange
from podready.runtime.wsgi.input import ClientLeftError, read_small_body, wsgi_input

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Receive, Scope, Send
    from podready.runtime.wsgi.exchange import WsgiApp


def wsgi_to_asgi(app: WsgiApp, threads: int) -> WsgiBridge:
    """Return `app` as an ASGI app that runs on up to `threads` threads."""
    return WsgiBridge(app, threads)


class WsgiBridge:
    """An ASGI app that runs a WSGI app on daemon threads.

    Threads start when they are first needed, because frameworks keep a database connection for
    each; and they are daemons, because one that never returns must not keep the process alive.
    """

    def __init__(self, app: WsgiApp, threads: int) -> None:
        self._app = app
        self._max_threads = threads
        self._threads = 0
        self._under_way = 0
        self._jobs: queue.SimpleQueue[WsgiExchange | None] = queue.SimpleQueue()
        self._announced: deque[WsgiExchange] = deque()
        self._awake = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self._jobs.qsize()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope; a WebSocket is refused, for WSGI has none."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            raise RuntimeError(f"a WSGI app does not speak {scope['type']}")
        self._loop = self._loop or asyncio.get_running_loop()
        try:
            body, rest = await read_small_body(scope["headers"], receive)
        except ClientLeftError:
            return
        exchange = WsgiExchange(self.announce, scope, *wsgi_input(body, rest, self._loop))
        self._run_on_thread(exchange)
        try:
            await exchange.deliver(send, receive)
        finally:
            self._under_way -= 1

    def _run_on_thread(self, exchange: WsgiExchange) -> None:
        self._under_way += 1
        self._jobs.put(exchange)
        if self._threads < min(self._under_way, self._max_threads):
            name = f"wsgi-{self._threads}"
            self._threads += 1
            threading.Thread(target=self._run_jobs, name=name, daemon=True).start()

    def _run_jobs(self) -> None:
        """Body of a thread."""
        while True:
            exchange = self._jobs.get()
            if exchange is None:
                return
            exchange.context.run(exchange.run, self._app)
            del exchange  # or the last request would live until the next one

    def close(self) -> None:
        """End the threads that are idle, and the others after their request."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def announce(self, exchange: WsgiExchange) -> None:
        """Wake the loop for `exchange`; called on a thread. One wake-up serves many exchanges."""
        self._announced.append(exchange)
        if self._awake or self._loop is None:
            return
        self._awake = True
        try:
            self._loop.call_soon_threadsafe(self._wake_exchanges)
        except RuntimeError:  # the loop is closed: the worker did not wait for this thread
            pass

    def _wake_exchanges(self) -> None:
        self._awake = False
        announced: deque[Any] = self._announced
        while announced:
            announced.popleft().wake()
