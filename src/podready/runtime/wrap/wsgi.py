"""The middleware of a WSGI app under another server: counts, measures and ends its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.runtime.app.call_failures import call_site
from podready.runtime.requests.access_line import log_access
from podready.runtime.requests.inflight import CURRENT, ItemKind
from podready.runtime.requests.route import watch_wsgi
from podready.runtime.requests.wsgi_request import WsgiRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podready.runtime.admin.probes import Answer
    from podready.runtime.asgi_types import Scope
    from podready.runtime.requests.route import WsgiApp
    from podready.runtime.wrap.runtime import InProcess

_EVENT_STREAM = "text/event-stream"
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class WsgiMiddleware:
    """A WSGI app around the user's."""

    def __init__(
        self, app: WsgiApp, process: InProcess, probes: frozenset[str], *, access_log: bool
    ) -> None:
        self._app = watch_wsgi(app)
        self._process = process
        self._probes = probes
        self._access_log = access_log

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve one request."""
        self._process.used()
        path = environ.get("PATH_INFO", "")
        if path in self._probes:
            return _answer_probe(self._process.answer(path), start_response)
        if self._process.draining:
            self._process.runtime.counters.request_during_drain()
        answer = _Answer(self._process, WsgiRequest(environ), start_response, self._access_log)
        return answer.call(self._app, environ)


def _answer_probe(answer: Answer | None, start_response: Callable[..., Any]) -> list[bytes]:
    assert answer is not None
    status = "200 OK" if answer.status == 200 else "503 Service Unavailable"
    length = str(len(answer.body))
    headers = [("Content-Type", answer.content_type), ("Content-Length", length)]
    start_response(status, [*headers, ("Cache-Control", "no-store")])
    return [answer.body]


class _Answer:
    """The answer to one request: in flight until the server has closed it."""

    def __init__(
        self,
        process: InProcess,
        request: WsgiRequest,
        start_response: Callable[..., Any],
        access_log: bool,
    ) -> None:
        self._process = process
        self._instrumentation = process.instrumentation
        self._in_flight = process.runtime.in_flight
        self.request = request
        self._scope: Scope = request.scope or {}
        self._start_response = start_response
        self._access_log = access_log

    @call_site
    def call(self, app: WsgiApp, environ: dict[str, Any]) -> Iterable[bytes]:
        """Call the app, and return its answer, counted."""
        request = self.request
        CURRENT.set(request)
        self._in_flight.add(request)
        self._instrumentation.begin(request, self._scope)
        try:
            chunks = app(environ, self.start)
        except BaseException as error:
            self._process.call_failures.note(error, worked=self._process.answered)
            self.end(error)
            raise  # the server will log it on this thread, in a line that needs the ids
        CURRENT.set(None)
        # Servers look at the length: of one piece they know the Content-Length (PEP 3333).
        whole = isinstance(chunks, list | tuple)
        return (_CountedList if whole else _CountedIterable)(chunks, self)

    def start(self, status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        """Begin the answer, with `Connection: close` while draining."""
        self.request.status = int(status[:3])
        self._process.answered = True
        for name, value in headers:
            if name.lower() == "content-type" and value.startswith(_EVENT_STREAM):
                self.request.kind = ItemKind.STREAM
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

    def sent(self, chunk: bytes) -> bool:
        """Note what the server has been given; return whether nothing more is to come."""
        self.request.size += len(chunk)
        ends = self.request.kind is ItemKind.STREAM and chunk.endswith(_EVENT_ENDS)
        return self.request.closed or (self._process.ending and ends)

    def failed(self, error: TypeError) -> None:
        """Note that the answer cannot be iterated over, if that is what it says."""
        self._process.call_failures.note(error, worked=self._process.answered)

    def end(self, failure: BaseException | None = None) -> None:
        """Count the request out."""
        request = self.request
        if request not in self._in_flight.items:
            return  # closed twice, which PEP 3333 does not forbid
        self._in_flight.discard(request)
        if self._access_log:
            log_access(self._scope, request)
        self._instrumentation.end(request, self._scope, failure)


class _CountedIterable:
    """The app's iterable, which counts what goes through it."""

    def __init__(self, chunks: Iterable[bytes], answer: _Answer) -> None:
        self._chunks = chunks
        self._answer = answer

    @call_site
    def __iter__(self) -> Iterator[bytes]:
        CURRENT.set(self._answer.request)  # for what the app logs between two chunks
        try:
            for chunk in self._chunks:
                yield chunk
                if self._answer.sent(chunk):
                    break
        except TypeError as error:
            self._answer.failed(error)
            raise
        if CURRENT.get() is self._answer.request:  # else a server goes on on another thread
            CURRENT.set(None)

    def close(self) -> None:
        """Close the app's iterable and count the request out."""
        failure: BaseException | None = None
        try:
            getattr(self._chunks, "close", lambda: None)()
        except BaseException as error:
            failure = error
            raise
        finally:
            self._answer.end(failure)


class _CountedList(_CountedIterable):
    """An answer that is all there."""

    def __len__(self) -> int:
        return len(self._chunks)  # type: ignore[arg-type]
