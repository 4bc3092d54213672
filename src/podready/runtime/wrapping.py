"""`podready.wrap`: the runtime's promises for those who keep their own server.

Under plain uvicorn, hypercorn or gunicorn there is no supervisor. The wrapper answers the probes
on the app's own port; on SIGTERM it turns /readyz to 503, gives the shutdown notice, puts
`Connection: close` on every answer, and holds the server's own handler back for the drain delay.
It cannot answer while the event loop is blocked, bound a hanging lifespan, or hold back a server
that watches signals elsewhere than with `signal.signal` in this process (hypercorn, and the
parent process of any server with several workers): there the drain delay must be a preStop sleep.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from podready.contract import LIVEZ, READYZ, STARTUPZ, Phase
from podready.runtime import inflight
from podready.runtime.answers import Standing, answer_probe
from podready.runtime.asgi import Wrapper
from podready.runtime.config import PROFILES, in_pod
from podready.runtime.durations import parse_duration
from podready.runtime.inflight import IN_FLIGHT, Kind, Work
from podready.runtime.loading import speaks_asgi
from podready.runtime.notice import NOTICE
from podready.runtime.probes import WORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from podready.runtime.answers import Answer
    from podready.runtime.asgi import App, Receive, Send
    from podready.runtime.inflight import Scope

_PROBES = frozenset({LIVEZ, READYZ, STARTUPZ})


def wrap(app: Callable[..., Any]) -> Callable[..., Any]:
    """Return `app`, ASGI or WSGI, with probes, shutdown notice, drain marks and in-flight count.

    `app = podready.wrap(app)` is all it takes under a server of one's own. Under `podready run`
    the app is returned as it is, because the runtime does all of this better. The drain delay is
    PODREADY_DRAIN_DELAY, else 5 s in a pod and none elsewhere.
    """
    if inflight.managed:
        return app
    shutdown = _Shutdown(drain_delay(os.environ))
    shutdown.watch()
    return _AsgiFace(app, shutdown) if speaks_asgi(app) else _WsgiFace(app, shutdown)


def drain_delay(environ: Mapping[str, str]) -> float:
    """Return the seconds for which the server's own SIGTERM handler is held back."""
    given = environ.get("PODREADY_DRAIN_DELAY")
    if given:
        return parse_duration(given)
    return PROFILES["clusterip"][0] if in_pod(environ) else 0.0


class _Shutdown:
    """Stands before the server's SIGTERM handler."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._theirs: Any = None

    def watch(self) -> None:
        """Step before the server's handler, once it is there; callable again and again."""
        if self._theirs is not None or threading.current_thread() is not threading.main_thread():
            return
        theirs = signal.getsignal(signal.SIGTERM)
        if callable(theirs):
            self._theirs = theirs
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number: int, frame: Any) -> None:
        if NOTICE.given:  # the second signal hurries
            self._theirs(number, frame)
            return
        NOTICE.give_soon()
        # A timer thread sends the signal again: only the main thread may run the server's handler.
        timer = threading.Timer(self._delay, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()


def _probe(path: str) -> Answer:
    phase = Phase.DRAINING if NOTICE.given else Phase.READY
    unready = ("set_ready",) if WORD.unready is not None else ()
    standing = Standing(
        phase=phase,
        started=True,
        stage=phase,
        elapsed=0.0,
        limit=0.0,
        unready=unready,
        broken=WORD.broken,
    )
    answer = answer_probe(path, standing, verbose=False)
    assert answer is not None
    return answer


class _AsgiFace:
    """An ASGI app around the user's."""

    def __init__(self, app: App, shutdown: _Shutdown) -> None:
        self._shutdown = shutdown
        self._wrapper = Wrapper(
            app, IN_FLIGHT, secret="", access_log=False, client_gone=lambda _send: False
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._shutdown.watch()
        if scope["type"] == "http" and scope["path"] in _PROBES:
            await _send_probe(_probe(scope["path"]), send)
            return
        self._wrapper.draining = NOTICE.given
        await self._wrapper(scope, receive, send)


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

    def __init__(self, app: Callable[..., Iterable[bytes]], shutdown: _Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        self._shutdown.watch()
        path = environ.get("PATH_INFO", "")
        if path in _PROBES:
            answer = _probe(path)
            status = "200 OK" if answer.status == 200 else "503 Service Unavailable"
            start_response(status, [("Content-Type", answer.content_type)])
            return [answer.body]
        scope = {"method": environ.get("REQUEST_METHOD", ""), "path": path}
        work = Work(Kind.REQUEST, scope=scope)
        work.thread = threading.get_ident()
        return _Counted(self._app, environ, _closing(start_response), work)


def _closing(start_response: Callable[..., Any]) -> Callable[..., Any]:
    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        if NOTICE.given:
            headers = [pair for pair in headers if pair[0].lower() != "connection"]
            headers.append(("Connection", "close"))
        return start_response(status, headers, *error)

    return start


class _Counted:
    """A WSGI answer that counts as work in flight until the server has closed it."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        work: Work,
    ) -> None:
        self._work = work
        IN_FLIGHT.add(work)
        try:
            self._chunks = app(environ, start_response)
        except BaseException:
            IN_FLIGHT.discard(work)
            raise

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """Close the app's iterable and count the work out."""
        try:
            getattr(self._chunks, "close", lambda: None)()
        finally:
            IN_FLIGHT.discard(self._work)
