"""`podready.wrap`: the runtime's promises for those who keep their own server.

Two faces, the ASGI one below and `wsgi_face`, stand before the user's app under plain uvicorn,
gunicorn, hypercorn or granian. They count work in and out, put `Connection: close` on every answer
while draining, end streams between two events, observe and log requests, and tell `in_process`,
which answers on the admin port and holds the server's own SIGTERM handler back for the drain. What
cannot be promised without a supervisor is in docs/how-to/keep-your-own-server.md.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from podready.errors import SettingsError
from podready.runtime.app.interface import AUTO, Interface, finished_app_interface
from podready.runtime.engines.granian_websocket import ClosableSocket
from podready.runtime.logs import configure, is_configured
from podready.runtime.logs.announce import announce
from podready.runtime.logs.intake.handler_replacement import silence_access_logs
from podready.runtime.requests import inflight
from podready.runtime.requests.inflight import IN_FLIGHT
from podready.runtime.requests.middleware import Wrapper
from podready.runtime.run_config import RunConfig, config_from_environment
from podready.runtime.tracing.spans import start_tracing
from podready.runtime.wrap.runtime import PROBES, InProcess
from podready.runtime.wrap.wsgi import WsgiFace

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.admin.probes import Answer
    from podready.runtime.asgi_types import App, Message, Receive, Scope, Send

_processes: list[InProcess] = []
"""At most one: a module that is imported twice wraps twice, but the process is the same."""


def wrap(
    app: Callable[..., Any],
    *,
    probes_on_main_port: bool = False,
    logs: bool = True,
    interface: str = AUTO,
) -> Callable[..., Any]:
    """Return `app`, ASGI or WSGI, with probes, drain, logs, metrics and traces.

    `app = podready.wrap(app)` is all it takes under a server of one's own; it reads the same
    PODREADY_* variables as `podready run` (drain delay, grace period, log format and so on).
    With `probes_on_main_port` /livez, /readyz and /startupz are answered on the app's own port
    too, before the app sees them. With `logs=False` the log stays what it is, the server's access
    lines included; otherwise it becomes podready's, unless the app has configured that itself.
    `interface` is asgi or wsgi for an app whose parameters do not tell. Under `podready run` the
    app is returned as it is, because the runtime does all of this better. Raises StartupError
    for a factory, a class or anything else that is no app, SettingsError for settings that do
    not fit.
    """
    interface = finished_app_interface(app, "the app of podready.wrap", interface)
    asgi = interface is Interface.ASGI
    if inflight.managed:
        return app
    if not _processes:
        _processes.append(_begin(asgi=asgi, logs=logs))
    process = _processes[0]
    paths = PROBES if probes_on_main_port else frozenset()
    access_log = logs and process.config.access_log
    if asgi:
        return _AsgiFace(app, process, paths, access_log=access_log)
    return WsgiFace(app, process, paths, access_log=access_log)


def _begin(*, asgi: bool, logs: bool) -> InProcess:
    """Do what is done once in a process."""
    config = _config()
    if logs:
        if not is_configured():
            configure(options=config.logs())
        if config.access_log:
            silence_access_logs()
    process = InProcess(config, asgi=asgi, tracing=start_tracing(os.environ), logs=logs)
    process.start()
    return process


def _config() -> RunConfig:
    try:
        return config_from_environment("the wrapped app", os.environ, "podready.wrap")
    except SettingsError as error:
        raise announce(error) from None


class _AsgiFace:
    """An ASGI app around the user's."""

    def __init__(
        self, app: App, process: InProcess, probes: frozenset[str], *, access_log: bool
    ) -> None:
        self._process = process
        self._probes = probes
        self._wrapper = Wrapper(
            app,
            IN_FLIGHT,
            secret="",
            access_log=access_log,
            client_gone=_client_gone,
            observer=process.observer,
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
