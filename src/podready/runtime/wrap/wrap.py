"""`podready.wrap`: the runtime's promises for those who keep their own server.

Two middlewares, the ASGI one below and `wrap.wsgi`, are around the user's app under plain uvicorn,
gunicorn, hypercorn or granian. They count requests in and out, add `Connection: close` to every
answer while draining, end streams between two events, measure and log requests, and report to
`wrap.runtime`, which answers on the admin port and holds the server's own SIGTERM handler back for
the drain. What cannot be promised without a supervisor is in docs/how-to/keep-your-own-server.md.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from podready.errors import SettingsError
from podready.runtime.app.call_failures import CallFailures
from podready.runtime.app.interface import AUTO, Interface, finished_app_interface
from podready.runtime.engines.granian_websocket import ClosableWebSocket
from podready.runtime.logs import add_source, configure, is_configured
from podready.runtime.logs.announce import announce
from podready.runtime.logs.intake.handler_replacement import silence_access_logs
from podready.runtime.logs.log import LOG
from podready.runtime.process import RUNTIME, Runtime
from podready.runtime.requests.inflight import current_log_fields
from podready.runtime.requests.middleware import Middleware, MiddlewareOptions
from podready.runtime.run_config import RunConfig, config_from_environment
from podready.runtime.tracing.spans import start_tracing
from podready.runtime.wrap.runtime import PROBES, InProcess
from podready.runtime.wrap.wsgi import WsgiMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.admin.probes import Answer
    from podready.runtime.asgi_types import App, Message, Receive, Scope, Send


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
    too, before the app sees them. With `logs=False` the log stays as it is, the server's access
    lines included; otherwise it becomes podready's, unless the app has configured that itself.
    `interface` is asgi or wsgi for an app whose parameters do not tell. Under `podready run` the
    app is returned as it is, because the runtime does all of this better. Raises StartupError
    for a factory, a class or anything else that is no app, SettingsError for settings that do
    not fit.
    """
    return wrap_in(
        RUNTIME, app, probes_on_main_port=probes_on_main_port, logs=logs, interface=interface
    )


def wrap_in(
    runtime: Runtime,
    app: Callable[..., Any],
    *,
    probes_on_main_port: bool = False,
    logs: bool = True,
    interface: str = AUTO,
) -> Callable[..., Any]:
    """Return `app` wrapped as `wrap` does it, with the state of `runtime`.

    A module that is imported twice wraps twice, but what belongs to the process begins once.
    """
    interface = finished_app_interface(app, "the app of podready.wrap", interface)
    asgi = interface is Interface.ASGI
    if runtime.managed:
        return app
    process = runtime.wrapped
    if process is None:
        process = runtime.wrapped = _begin(runtime, asgi=asgi, logs=logs)
    assert isinstance(process, InProcess)
    paths = PROBES if probes_on_main_port else frozenset()
    access_log = logs and process.config.access_log
    if asgi:
        return _AsgiMiddleware(app, process, paths, access_log=access_log)
    return WsgiMiddleware(app, process, paths, access_log=access_log)


def _begin(runtime: Runtime, *, asgi: bool, logs: bool) -> InProcess:
    """Do what is done once in a process."""
    config = _config()
    if logs:
        if not is_configured():
            configure(options=config.logs())
        if config.access_log:
            silence_access_logs(LOG)
    add_source(current_log_fields)
    tracing = start_tracing(os.environ)
    process = InProcess(runtime, config, asgi=asgi, tracing=tracing, logs=logs)
    process.start()
    return process


def _config() -> RunConfig:
    try:
        return config_from_environment("the wrapped app", os.environ, "podready.wrap")
    except SettingsError as error:
        raise announce(error) from None


class _AsgiMiddleware:
    """An ASGI app around the user's."""

    def __init__(
        self, app: App, process: InProcess, probes: frozenset[str], *, access_log: bool
    ) -> None:
        self._process = process
        self._probes = probes
        runtime = process.runtime
        self._middleware = Middleware(
            app,
            runtime.in_flight,
            MiddlewareOptions(client_gone=_client_gone, access_log=access_log),
            counters=runtime.counters,
            shutdown=runtime.shutdown,
            call_failures=CallFailures(runtime.health),
            instrumentation=process.instrumentation,
        )
        process.middlewares.append(self._middleware)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(scope, receive, send)
            return
        self._process.used(asyncio.get_running_loop())
        if scope["type"] == "websocket" and ClosableWebSocket.needed(send):
            closable = ClosableWebSocket(receive, send)
            receive, send = closable.receive, closable.send
        if scope["type"] == "http" and scope["path"] in self._probes:
            answer = self._process.answer(scope["path"])
            assert answer is not None
            await _send_probe(answer, send)
            return
        await self._middleware(scope, receive, send)

    async def _run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._process.used(asyncio.get_running_loop())
        self._process.lifespan(started=False)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._process.lifespan(started=True)
            await send(message)

        try:
            await self._middleware(scope, receive, send_and_note)
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
