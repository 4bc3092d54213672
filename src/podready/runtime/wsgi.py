"""A WSGI app behind the ASGI engine, so that both worlds have one stop procedure.

a2wsgi turns each request into a call on a thread; the wrapper in `asgi` around it counts,
marks and names the work as for any ASGI app. Two things a2wsgi leaves to us: headers go out with
the first piece of the body (PEP 3333), so that a failure before it is still a 500; and a client
that is gone, or a stream that we ended, stops the app's iterable instead of its thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from podready.runtime.inflight import CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podready.runtime.asgi import App, Message, Receive, Send
    from podready.runtime.inflight import Scope, Work


def wsgi_to_asgi(app: Callable[..., Iterable[bytes]], threads: int) -> App:
    """Return `app` as an ASGI app that runs on up to `threads` threads."""
    from a2wsgi import WSGIMiddleware

    def named(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        work = CURRENT.get()
        if work is None:
            return app(environ, start_response)
        work.thread = threading.get_ident()
        return _Body(app(environ, start_response), work)

    bridge: Any = WSGIMiddleware(named, workers=threads)  # type: ignore[arg-type]

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        sender = _Sender(send) if scope["type"] == "http" else None
        await bridge(scope, receive, sender.send if sender else send)

    return serve


class _Body:
    """The app's iterable, which ends early once nobody is there to read it."""

    def __init__(self, chunks: Iterable[bytes], work: Work) -> None:
        self._chunks = chunks
        self._work = work

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            yield chunk
            if self._work.over:
                return

    def close(self) -> None:
        """Close the app's iterable, as PEP 3333 asks whether it was read to its end or not."""
        getattr(self._chunks, "close", lambda: None)()


class _Sender:
    """Holds the headers back until there is a body, and swallows what nobody reads any more."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        try:
            if start is not None:
                await self._send(start)
            await self._send(message)
        except OSError:  # the work is over: `_Body` ends at its next chunk
            pass
