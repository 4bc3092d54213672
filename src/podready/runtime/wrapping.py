"""`podready.wrap`: the runtime's promises for those who keep their own server.

The two faces below stand before the user's app under plain uvicorn, gunicorn, hypercorn or
granian. They count work in and out, put `Connection: close` on every answer while draining, end
streams between two events, and tell `in_process`, which answers the probes and holds the server's
own SIGTERM handler back for the drain. What cannot be promised without a supervisor is in
docs/how-to/keep-your-own-server.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from podready.errors import SettingsError
from podready.runtime import inflight
from podready.runtime.asgi import Wrapper
from podready.runtime.closable_socket import ClosableSocket
from podready.runtime.config import RunConfig, load_config
from podready.runtime.in_process import PROBES, InProcess
from podready.runtime.inflight import CURRENT, IN_FLIGHT, Kind, Work
from podready.runtime.loading import speaks_asgi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podready.runtime.answers import Answer
    from podready.runtime.asgi import App, Message, Receive, Send
    from podready.runtime.inflight import Scope

_EVENT_STREAM = "text/event-stream"
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")

_processes: list[InProcess] = []
"""At most one: a module that is imported twice wraps twice, but the process is the same."""


def wrap(app: Callable[..., Any], *, probes_on_main_port: bool = False) -> Callable[..., Any]:
    """Return `app`, ASGI or WSGI, with probes, shutdown notice, drain and in-flight count.

    `app = podready.wrap(app)` is all it takes under a server of one's own; it reads the same
    PODREADY_* variables as `podready run` (drain delay, grace period, admin port and so on).
    With `probes_on_main_port` /livez, /readyz and /startupz are answered on the app's own port
    too, before the app sees them. Under `podready run` the app is returned as it is, because the
    runtime does all of this better. Raises SettingsError for settings that do not fit.
    """
    if inflight.managed:
        return app
    asgi = speaks_asgi(app)
    if not _processes:
        _processes.append(InProcess(_config(), asgi=asgi))
        _processes[0].start()
    process = _processes[0]
    paths = PROBES if probes_on_main_port else frozenset()
    return _AsgiFace(app, process, paths) if asgi else _WsgiFace(app, process, paths)


def _config() -> RunConfig:
    try:
        return load_config(["the wrapped app"], os.environ)
    except SettingsError as error:
        # The server ends with its exit code, 78, and without a word about it.
        logging.getLogger("podready.wrap").critical("%s", error)
        error.reported = True
        raise


class _AsgiFace:
    """An ASGI app around the user's."""

    def __init__(self, app: App, process: InProcess, probes: frozenset[str]) -> None:
        self._process = process
        self._probes = probes
        self._wrapper = Wrapper(
            app, IN_FLIGHT, secret="", access_log=False, client_gone=_client_gone
        )
        process.wrappers.append(self._wrapper)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._speak_lifespan(scope, receive, send)
            return
        self._process.used(asyncio.get_running_loop())
        if scope["type"] == "websocket" and ClosableSocket.needed(send):
            closable = ClosableSocket(receive, send)
            receive, send = closable.receive, closable.send
        if scope["type"] == "http" and scope["path"] in self._probes:
            answer = self._process.answer(scope["path"])
            assert answer is not None
            await _send_probe(answer, send)
            return
        await self._wrapper(scope, receive, send)

    async def _speak_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._process.used(asyncio.get_running_loop())
        self._process.lifespan(started=False)

        async def listen_in(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._process.lifespan(started=True)
            await send(message)

        try:
            await self._wrapper(scope, receive, listen_in)
        finally:  # an app that does not speak it has nothing to start
            self._process.lifespan(started=True)


def _client_gone(send: Send) -> bool:
    """Look at uvicorn's cycle; other servers tell the app themselves."""
    return bool(getattr(getattr(send, "__self__", None), "disconnected", False))


async def _send_probe(answer: Answer, send: Send) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


class _WsgiFace:
    """A WSGI app around the user's."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        process: InProcess,
        probes: frozenset[str],
    ) -> None:
        self._app = app
        self._process = process
        self._probes = probes

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        self._process.used()
        path = environ.get("PATH_INFO", "")
        if path in self._probes:
            return _answer_probe(self._process.answer(path), start_response)
        scope = {"method": environ.get("REQUEST_METHOD", ""), "path": path}
        work = Work(Kind.REQUEST, scope=scope)
        work.thread = threading.get_ident()
        start = _Start(start_response, self._process, work)
        token = CURRENT.set(work)
        IN_FLIGHT.add(work)
        try:
            chunks = self._app(environ, start)
        except BaseException:
            IN_FLIGHT.discard(work)
            raise
        finally:
            CURRENT.reset(token)
        # Servers look at the length: of one piece they know the Content-Length (PEP 3333).
        whole = isinstance(chunks, list | tuple)
        return (_CountedList if whole else _Counted)(chunks, self._process, work)


def _answer_probe(answer: Answer | None, start_response: Callable[..., Any]) -> list[bytes]:
    assert answer is not None
    status = "200 OK" if answer.status == 200 else "503 Service Unavailable"
    length = str(len(answer.body))
    headers = [("Content-Type", answer.content_type), ("Content-Length", length)]
    start_response(status, [*headers, ("Cache-Control", "no-store")])
    return [answer.body]


class _Start:
    """The server's start_response, with `Connection: close` while draining."""

    def __init__(self, start_response: Callable[..., Any], process: InProcess, work: Work) -> None:
        self._start_response = start_response
        self._process = process
        self._work = work

    def __call__(self, status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        for name, value in headers:
            if name.lower() == "content-type" and value.startswith(_EVENT_STREAM):
                self._work.kind = Kind.STREAM
        if self._process.draining:
            headers = [pair for pair in headers if pair[0].lower() != "connection"]
            headers.append(("Connection", "close"))
            # gunicorn drops that header as hop-by-hop; its response object has a word for it.
            force_close = getattr(
                getattr(self._start_response, "__self__", None), "force_close", None
            )
            if force_close is not None:
                force_close()
        return self._start_response(status, headers, *error)


class _Counted:
    """A WSGI answer that counts as work in flight until the server has closed it."""

    def __init__(self, chunks: Iterable[bytes], process: InProcess, work: Work) -> None:
        self._chunks = chunks
        self._process = process
        self._work = work

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            yield chunk
            ends = self._work.kind is Kind.STREAM and chunk.endswith(_EVENT_ENDS)
            if self._work.over or (self._process.ending and ends):
                return

    def close(self) -> None:
        """Close the app's iterable and count the work out."""
        try:
            getattr(self._chunks, "close", lambda: None)()
        finally:
            IN_FLIGHT.discard(self._work)


class _CountedList(_Counted):
    """An answer that is all there."""

    def __len__(self) -> int:
        return len(self._chunks)  # type: ignore[arg-type]
