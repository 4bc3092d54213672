"""One HTTP/1.1 GET over an open socket: what probes and hooks send.

No pool, no keep-alive, no proxy, no certificate check, as the kubelet's own client
(pkg/probe/http). The parser is httptools' llhttp, in its strict mode.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httptools

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

MOST_BYTES: Final = 10 * 1024
"""How much of a body is read (maxRespBodyLength of pkg/probe/http)."""

_MOST_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Where a GET goes: always to `ip`:`port`, whatever `host` the header names."""

    ip: str
    port: int
    path: str = "/"
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """Return the address as Go's errors print it."""
        return f"{self.scheme.lower()}://{self.ip}:{self.port}{self.path}"


@dataclass(slots=True)
class HttpAnswer:
    """The answer to a GET; filled by the parser, so the method names are httptools'."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in one header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body, up to the limit."""
        self.body = (self.body + body)[:MOST_BYTES]

    def on_message_complete(self) -> None:
        """Remember that nothing is missing."""
        self.complete = True


class HttpRequestError(Exception):
    """There was no HTTP answer; the message is the one of Go's client."""


async def get(
    dial: Callable[[], socket.socket], target: HttpTarget, user_agent: str, timeout: float
) -> HttpAnswer:
    """Send a GET and return the answer; HttpRequestError when there is none within `timeout` s.

    A redirect is followed while it stays at the same host; one that leaves it is the answer.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _follow(dial, target, user_agent)
    except TimeoutError:
        raise HttpRequestError(
            f'Get "{target.url}": context deadline exceeded '
            "(Client.Timeout exceeded while awaiting headers)"
        ) from None
    except OSError as error:
        raise HttpRequestError(f'Get "{target.url}": {connect_text(target, error)}') from error


def connect_text(target: HttpTarget, error: OSError) -> str:
    """Return a connection error as Go prints it."""
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {target.ip}:{target.port}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {target.ip}:{target.port}: read: connection reset by peer"
    return f"dial tcp {target.ip}:{target.port}: {error.strerror or error}"


async def _follow(
    dial: Callable[[], socket.socket], target: HttpTarget, user_agent: str
) -> HttpAnswer:
    for _ in range(_MOST_REDIRECTS):
        answer = await _exchange(dial(), target, user_agent)
        onward = _redirected(target, answer)
        if onward is None:
            return answer
        target = onward
    raise HttpRequestError(f'Get "{target.url}": stopped after {_MOST_REDIRECTS} redirects')


def _redirected(target: HttpTarget, answer: HttpAnswer) -> HttpTarget | None:
    """Return where to go next, or None when this is the answer."""
    location = answer.headers.get("location", "")
    if answer.status not in _REDIRECTS or not location:
        return None
    parts = urlsplit(location)
    if parts.hostname not in (None, target.ip):
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    scheme = parts.scheme.upper() or target.scheme
    return HttpTarget(target.ip, parts.port or target.port, path, scheme, target.headers)


async def _exchange(sock: socket.socket, target: HttpTarget, user_agent: str) -> HttpAnswer:
    try:
        await asyncio.get_running_loop().sock_connect(sock, (target.ip, target.port))
    except BaseException:
        sock.close()
        raise
    tls = _no_questions() if target.scheme == "HTTPS" else None
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=tls, server_hostname=target.ip if tls else None
    )
    try:
        writer.write(_request(target, user_agent))
        return await _answer(reader, target)
    finally:
        writer.transport.abort() if tls else writer.close()


def _no_questions() -> ssl.SSLContext:
    """Return a TLS context that verifies nothing, as the kubelet does for probes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(target: HttpTarget, user_agent: str) -> bytes:
    headers: dict[str, str] = {
        "Host": f"{target.ip}:{target.port}",
        "User-Agent": user_agent,
        "Accept": "*/*",
        "Connection": "close",
    }
    names: Mapping[str, str] = {name.lower(): name for name in headers}
    for name, value in target.headers:
        headers[names.get(name.lower(), name)] = value
    lines = [f"GET {target.path or '/'} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", errors="replace")


async def _answer(reader: asyncio.StreamReader, target: HttpTarget) -> HttpAnswer:
    answer = HttpAnswer()
    parser = httptools.HttpResponseParser(answer)
    while not answer.complete and len(answer.body) < MOST_BYTES:
        data = await reader.read(65536)
        if not data:
            break
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            break
        except httptools.HttpParserError as error:
            raise HttpRequestError(
                f'Get "{target.url}": net/http: HTTP/1.x transport connection broken: '
                f"malformed HTTP response ({error})"
            ) from error
        if parser.get_status_code():
            answer.status = parser.get_status_code()
    if not answer.status:
        raise HttpRequestError(f'Get "{target.url}": EOF')
    return answer
