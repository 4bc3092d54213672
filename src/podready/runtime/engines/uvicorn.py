"""uvicorn as the engine: its protocols and its date header, without its signals and its shutdown.

Its own shutdown closes the listener first and cuts idle connections at once, which is where the
lost requests of a rollout come from; podready's is in `worker.drain`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from podready.runtime.loop.listener import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable

    from podready.runtime.asgi_types import App, Receive, Scope, Send
    from podready.runtime.run_config import RunConfig

_ACCEPT_ROUNDS = 1000
_DATE_TICK = 1.0
_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})


class _HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the time since which it has been waiting for a request."""

    quiet_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.quiet_since = self.loop.time()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.quiet_since = self.loop.time()

    @property
    def waits_for_request(self) -> bool:
        """Whether no request is under way on this connection."""
        return self.cycle is None or self.cycle.response_complete


class _ProxyHeaders(ProxyHeadersMiddleware):
    """uvicorn's own, without its coroutine frame around requests that bring no such header."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        for name, _ in scope["headers"]:
            if name in _FORWARDED:
                return super().__call__(scope, receive, send)  # type: ignore[arg-type]
        return self.app(scope, receive, send)  # type: ignore[arg-type]


class UvicornEngine:
    """See `Engine`."""

    def __init__(self, app: App, config: RunConfig, state: dict[str, object]) -> None:
        self._state = state
        self._keep_alive = config.keep_alive_timeout
        self._config = uvicorn.Config(
            app,
            http=_HttpProtocol,
            lifespan="off",
            interface="asgi3",
            root_path=config.root_path,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(config.keep_alive_timeout),
        )
        self._config.load()
        trusted = self._config.forwarded_allow_ips
        self._config.loaded_app = _ProxyHeaders(self._config.loaded_app, trusted)
        self._server = uvicorn.Server(self._config)
        self._accepting: asyncio.Server | None = None
        self._sock: socket.socket | None = None
        self._ticker: asyncio.Task[None] | None = None

    def _protocol(self) -> asyncio.Protocol:
        return _HttpProtocol(self._config, self._server.server_state, self._state)

    @staticmethod
    def client_gone(send: Send) -> bool:
        """Look at uvicorn's cycle: its `send` says nothing to an app whose client is gone."""
        return bool(getattr(getattr(send, "__self__", None), "disconnected", False))

    async def listen(self, sock: socket.socket) -> None:
        """Begin to accept on `sock`."""
        await self._server.on_tick(0)
        self._ticker = asyncio.create_task(self._tick(), name="date header")
        # The duplicate keeps the kernel's queue alive after asyncio closed its own descriptor.
        self._sock = sock.dup()
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_server(self._protocol, sock=sock, backlog=BACKLOG)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_DATE_TICK)
            await self._server.on_tick(0)
            self._close_quiet(self._keep_alive)

    async def stop_accepting(self) -> int:
        """Serve all that the kernel has accepted, then close the socket."""
        if self._accepting is None or self._sock is None:
            return 0
        self._accepting.close()
        # One turn, so that the loop really is off the descriptor before we read its queue.
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        self._sock.setblocking(False)
        taken = 0
        for _ in range(_ACCEPT_ROUNDS * BACKLOG):
            try:
                client, _address = self._sock.accept()
            except (BlockingIOError, OSError):
                break
            client.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, client)
            taken += 1
        self._sock.close()
        self._accepting = self._sock = None
        return taken

    def close_idle(self, quiet: float) -> None:
        """Close quiet connections; the others close after the answer they are giving."""
        for connection in self._http_connections():
            if not connection.waits_for_request:
                connection.cycle.keep_alive = False
        self._close_quiet(quiet)

    def _close_quiet(self, quiet: float) -> None:
        """Close what has completed no request for `quiet` seconds, also a head sent drop by drop.

        uvicorn's own timer begins only after the first answer.
        """
        now = asyncio.get_running_loop().time()
        for connection in self._http_connections():
            if connection.waits_for_request and now - connection.quiet_since >= quiet:
                connection.transport.close()

    def _http_connections(self) -> list[_HttpProtocol]:
        connections: Any = self._server.server_state.connections
        return [each for each in connections if isinstance(each, _HttpProtocol)]

    def open_connections(self) -> int:
        """Return how many connections are open."""
        return len(self._server.server_state.connections)

    async def close(self) -> None:
        """Stop the ticker and cut what is left."""
        if self._ticker is not None:
            self._ticker.cancel()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
