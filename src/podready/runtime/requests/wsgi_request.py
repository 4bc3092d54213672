"""One WSGI request under a server that is not ours, in the terms of an ASGI one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.requests.inflight import Kind, Work
from podready.runtime.tracing.headers import NONE, READ, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.runtime.metrics.http import Door
    from podready.runtime.tracing.spans import Span


class WsgiRequest(Work):
    """One request under way."""

    __slots__ = ("door", "size", "span", "status")

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(Kind.REQUEST, EnvironScope(environ))
        self.said = _said(environ)
        self.thread = threading.get_ident()
        self.door: Door | None = None
        self.span: Span | None = None
        self.status = 500  # what the server answers when the app raises before it answered
        self.size = 0

    @property
    def agent(self) -> bytes:
        """The caller's User-Agent."""
        return self.said.get(USER_AGENT, b"")


_KEYS: Final = {f"HTTP_{name.decode().upper().replace('-', '_')}": name for name in READ}


def _said(environ: dict[str, Any]) -> Mapping[bytes, bytes]:
    """Return the headers that podready reads."""
    found = {name: _header(environ, key) for key, name in _KEYS.items() if key in environ}
    return found or NONE


def _header(environ: dict[str, Any], key: str) -> bytes:
    return str(environ.get(key, "")).encode("latin-1", "replace")


class EnvironScope(dict[str, Any]):
    """What an ASGI scope would say of a WSGI request; headers are worked out when asked for."""

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
