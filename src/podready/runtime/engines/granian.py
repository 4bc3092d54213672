"""granian as the engine: its HTTP server in Rust, on the worker's event loop and the shared socket.

Its embeddable server takes a listening descriptor, so the supervisor stays the owner of the port.
It has one way to stop: accept no more, close idle connections at once, finish answers in flight.
It would cut WebSockets, so it begins only when the last of them is closed, and when every
connection that was used before the drain's end has had its `Connection: close`.
What differs from uvicorn is in docs/reference/engines.md.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from podready.runtime.engines.granian_http import GranianExchange
from podready.runtime.engines.granian_websocket import ClosableWebSocket
from podready.runtime.loop.listener import BACKLOG

if TYPE_CHECKING:
    import socket

    from podready.runtime.asgi_types import App, Receive, Scope, Send
    from podready.runtime.run_config import RunConfig

_CONNECTIONS: Final = 1 << 20
"""granian's backpressure counts idle connections too; the limit is the open files."""

_LEAVE_LOGGING: Final = {"incremental": True, "formatters": {}, "handlers": {}, "loggers": {}}
"""A logging configuration that changes nothing; without one it would print lines of its own."""

_log = logging.getLogger("podready.app")


def _is_not_app_error(record: logging.LogRecord) -> bool:
    """Drop granian's line about an exception of the app, which podready logs itself."""
    return not record.getMessage().startswith("Application callable raised an exception")


class _Server(Server):
    """granian's embeddable server on a socket that exists already."""

    def __init__(self, app: App, config: RunConfig, descriptor: int) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,  # podready speaks lifespan, see `Lifespan`
            backlog=BACKLOG,
            backpressure=_CONNECTIONS,
            http1_settings=HTTP1Settings(
                # hyper's limit for a request's head holds for the wait before it as well.
                header_read_timeout=int(config.keep_alive_timeout * 1000)
            ),
            log_level=LogLevels.error,
            log_dictconfig=_LEAVE_LOGGING,
        )
        self._descriptor = descriptor

    def _init_shared_socket(self) -> None:
        self._ssp = None
        holder: Any = SocketHolder  # its type stub is older than its three parameters
        self._shd: Any = holder(self._descriptor, False, BACKLOG)


class GranianEngine:
    """See `Engine`."""

    def __init__(self, app: App, config: RunConfig, state: dict[str, object]) -> None:
        logging.getLogger("_granian.utils").addFilter(_is_not_app_error)
        self._app = app
        self._config = config
        self._state = state
        self._root = config.root_path
        self._raw_root = config.root_path.encode()
        self._requests = 0
        self._sockets = 0
        self._last_answer = 0.0
        self._stopping_since: float | None = None
        self._stopped = False
        self._sock: socket.socket | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @staticmethod
    def client_gone(send: Send) -> bool:
        """Ask the exchange, which listens for the disconnect while a stream runs."""
        exchange = getattr(send, "__self__", None)
        return isinstance(exchange, GranianExchange) and exchange.client_gone()

    async def listen(self, sock: socket.socket) -> None:
        """Begin to accept on a duplicate of `sock`, which granian closes when it stops."""
        self._sock = sock
        sock.listen(BACKLOG)  # here an OSError still has a listener; in Rust it would be a panic
        self._server = _Server(self._serve, self._config, sock.dup().detach())
        self._serving = asyncio.create_task(self._server.serve(), name="granian")
        await asyncio.sleep(0)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope; granian calls it as its app."""
        scope["state"] = self._state.copy()
        if self._root:  # ASGI's path has it in front, as under uvicorn
            scope["root_path"] = self._root
            scope["path"] = self._root + scope["path"]
            scope["raw_path"] = self._raw_root + scope["raw_path"]
        try:
            if scope["type"] == "websocket":
                await self._serve_socket(scope, ClosableWebSocket(receive, send))
            else:
                await self._serve_request(scope, GranianExchange(receive, send))
        except Exception:
            _log.exception("exception in the app")
            raise  # granian answers 500, or cuts an answer that has begun

    async def _serve_socket(self, scope: Scope, closable: ClosableWebSocket) -> None:
        self._sockets += 1
        try:
            await self._app(scope, closable.receive, closable.send)
        finally:
            self._sockets -= 1

    async def _serve_request(self, scope: Scope, exchange: GranianExchange) -> None:
        self._requests += 1
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._requests -= 1
            self._last_answer = asyncio.get_running_loop().time()
            exchange.close()

    async def stop_accepting(self) -> int:
        """Request the stop; granian's own loop empties the accept queue before it stops."""
        self._stopping_since = asyncio.get_running_loop().time()
        return 0

    def close_idle(self, quiet: float) -> None:
        """Stop the server once no WebSocket is open and no request ended within `quiet` seconds.

        Since the stop was requested every answer says close, so later requests do not count.
        """
        if self._stopping_since is None or self._stopped or (self._sockets and quiet):
            return
        last = min(self._last_answer, self._stopping_since)
        if asyncio.get_running_loop().time() - last >= quiet:
            self._stop()

    def _stop(self) -> None:
        self._stopped = True
        if self._sock is not None:
            self._sock.close()
        if self._server is not None:
            self._server.stop()  # type: ignore[no-untyped-call]  # granian has no types here

    def open_connections(self) -> int:
        """Return how many connections carry a request; granian does not report idle ones.

        While the stop is due or under way it is at least one, so that the drain waits for it.
        """
        busy = self._requests + self._sockets
        due = self._stopping_since is not None
        serving = self._serving is not None and not self._serving.done()
        return max(busy, int(due and serving))

    async def close(self) -> None:
        """Stop and cancel what is left."""
        self._stop()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
