"""One WSGI request under the app's own server, in the terms of an ASGI request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.requests.inflight import InFlightItem, ItemKind
from podready.runtime.tracing.headers import NO_HEADERS, RELEVANT, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.runtime.metrics.http import MethodSeries
    from podready.runtime.tracing.spans import Span


class WsgiRequest(InFlightItem):
    """One request in flight."""

    __slots__ = ("series", "size", "span", "status")

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(ItemKind.REQUEST, EnvironScope(environ))
        self.headers = _relevant_headers(environ)
        self.thread = threading.get_ident()
        self.series: MethodSeries | None = None
        self.span: Span | None = None
        self.status = 500  # what the server answers when the app raises before it answered
        self.size = 0

    @property
    def agent(self) -> bytes:
        """The caller's User-Agent."""
        return self.headers.get(USER_AGENT, b"")


_KEYS: Final = {f"HTTP_{name.decode().upper().replace('-', '_')}": name for name in RELEVANT}


def _relevant_headers(environ: dict[str, Any]) -> Mapping[bytes, bytes]:
    """Return the headers that podready reads."""
    found = {name: _header(environ, key) for key, name in _KEYS.items() if key in environ}
    return found or NO_HEADERS


def _header(environ: dict[str, Any], key: str) -> bytes:
    return str(environ.get(key, "")).encode("latin-1", "replace")


class EnvironScope(dict[str, Any]):
    """A WSGI request as an ASGI scope; its headers are computed when they are asked for."""

    def __init__(self, environ: dict[str, Any]) -> None:
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        protocol = environ.get("SERVER_PROTOCOL", "")
        address = environ.get("REMOTE_ADDR", "")
        super().__init__(
            type="http",
            method=environ.get("REQUEST_METHOD", ""),
            path=path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace"),
            scheme=environ.get("wsgi.url_scheme", "http"),
            http_version=protocol.partition("/")[2],
            client=(address, 0) if address else None,
        )
        self._environ = environ

    def __missing__(self, key: str) -> list[tuple[bytes, bytes]]:
        if key != "headers":
            raise KeyError(key)
        self["headers"] = headers = [
            (name[5:].replace("_", "-").lower().encode(), _header(self._environ, name))
            for name in self._environ
            if name.startswith("HTTP_")
        ]
        return headers
