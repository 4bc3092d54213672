"""A WSGI app behind the ASGI engine, so that both worlds have one stop procedure.

a2wsgi turns each request into a call on a thread; the wrapper in `asgi` around it counts,
marks and names the work as for any ASGI app.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from podready.runtime.inflight import CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podready.runtime.asgi import App


def wsgi_to_asgi(app: Callable[..., Iterable[bytes]], threads: int) -> App:
    """Return `app` as an ASGI app that runs on up to `threads` threads."""
    from a2wsgi import WSGIMiddleware

    def named(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        work = CURRENT.get()
        if work is not None:
            work.thread = threading.get_ident()
        return app(environ, start_response)

    return WSGIMiddleware(named, workers=threads)  # type: ignore[arg-type, return-value]
