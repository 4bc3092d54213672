"""The environ of PEP 3333, made from an ASGI scope."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.runtime.asgi_types import Scope

_DROPPED = ""
_MAX_KEYS = 256

_keys: dict[bytes, str] = {
    b"content-length": "CONTENT_LENGTH",
    b"content-type": "CONTENT_TYPE",
    b"proxy": _DROPPED,  # HTTP_PROXY is a setting of many HTTP clients (CVE-2016-5385, httpoxy)
}
"""Header name -> environ key; it grows by the names that come, up to a limit."""


def environ_of(scope: Scope, body: BinaryIO) -> dict[str, Any]:
    """Return the environ for one request; names follow CGI (RFC 3875, section 4.1)."""
    host, port = scope.get("server") or ("localhost", 80)
    root = scope.get("root_path", "")
    path = _path_of(scope)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path[len(root) :] if root and path.startswith(root) else path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    client = scope.get("client")
    if client is not None:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    _add_headers(environ, scope["headers"])
    return environ


def _path_of(scope: Scope) -> str:
    """Return the path's bytes as latin-1, as PEP 3333 asks, also when they are no UTF-8."""
    raw = scope.get("raw_path")
    if raw is not None and b"%" in raw:
        return unquote_to_bytes(raw).decode("latin-1")
    path: str = scope["path"]
    return path if path.isascii() else path.encode().decode("latin-1")


def _add_headers(environ: dict[str, Any], headers: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        key = _keys.get(name)
        if key is None:
            key = _key_of(name)
        if key == _DROPPED:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
        environ[key] = text


def _key_of(name: bytes) -> str:
    key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if b"_" in name:  # X_Forwarded_For must not pass for X-Forwarded-For
        key = _DROPPED
    if len(_keys) < _MAX_KEYS:
        _keys[name] = key
    return key
