"""Forwarded headers under uvicorn: believed from trusted peers only, and free where none come."""

from __future__ import annotations

from typing import Any

import pytest

from podready.runtime.engines.uvicorn import _ProxyHeaders

Headers = list[tuple[bytes, bytes]]
_FORWARDED: Headers = [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-proto", b"https")]


async def _nothing(*_message: Any) -> Any:
    return {}


async def _seen(peer: str, headers: Headers) -> tuple[str, str]:
    """Return the client and the scheme that the app sees."""
    scopes = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        scopes.append(scope)

    scope = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": headers}
    await _ProxyHeaders(app, "127.0.0.1")(scope, _nothing, _nothing)
    return scopes[0]["client"][0], scopes[0]["scheme"]


@pytest.mark.parametrize(
    ("peer", "headers", "wanted"),
    [
        ("127.0.0.1", _FORWARDED, ("203.0.113.7", "https")),
        ("198.51.100.1", _FORWARDED, ("198.51.100.1", "http")),
        ("127.0.0.1", [(b"host", b"shop")], ("127.0.0.1", "http")),
    ],
)
async def test_headers_of_trusted_peers_count(
    peer: str, headers: Headers, wanted: tuple[str, str]
) -> None:
    """A sidecar on loop-back tells who the client is; a stranger is not believed."""
    assert await _seen(peer, headers) == wanted
