"""The admin server: a tiny HTTP/1.1 server for probes, on its own port, inside the supervisor.

GET and HEAD, and PUT for what may be changed; one request a connection, every client bounded in
bytes, time and number, so that no client can keep the kubelet from its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from podready.runtime.admin.probes import Answer, Deferred

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from podready.runtime.loop.loop import Loop

_CHANGEABLE = "/loggers/"
_MAX_BYTES = 8192
_MAX_SECONDS = 5.0
_MAX_CLIENTS = 128


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request line, its headers (lower case) and where it came from."""

    method: str
    path: str
    query: frozenset[str]
    headers: dict[str, str]
    loopback: bool = False
    body: bytes = b""


class BadRequestError(ValueError):
    """What came is not an HTTP/1 request that we answer; `status` says why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def parse_request(head: bytes, *, loopback: bool = False, body: bytes = b"") -> Request:
    """Return the request whose head (up to the empty line) is `head`; raises BadRequestError."""
    try:
        line, *lines = head.decode("ascii").split("\r\n")
        method, target, version = line.split(" ")
        headers = dict(_header(line) for line in lines if line)
    except ValueError as error:
        raise BadRequestError(HTTPStatus.BAD_REQUEST) from error
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not target.startswith("/"):
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    path, _, query = target.partition("?")
    if method not in {"GET", "HEAD"} and not (method == "PUT" and path.startswith(_CHANGEABLE)):
        raise BadRequestError(HTTPStatus.METHOD_NOT_ALLOWED)
    return Request(method, path, frozenset(query.split("&")), headers, loopback, body)


def body_length(request: Request) -> int:
    """Return how many bytes of body belong to a request; raises BadRequestError."""
    if request.method != "PUT":
        return 0
    text = request.headers.get("content-length", "")
    if not text.isdecimal():
        raise BadRequestError(HTTPStatus.LENGTH_REQUIRED)
    if int(text[:9]) > _MAX_BYTES:
        raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(text)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise ValueError(line)
    return name.lower(), value.strip()


def render(answer: Answer, *, head_only: bool = False) -> bytes:
    """Return the bytes of the answer, which always ends the connection."""
    reason = HTTPStatus(answer.status).phrase
    head = (
        f"HTTP/1.1 {answer.status} {reason}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n"
    )
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        head += "Allow: GET, HEAD\r\n"
    if answer.status == HTTPStatus.UNAUTHORIZED:
        head += "WWW-Authenticate: Bearer\r\n"
    return head.encode() + b"\r\n" + (b"" if head_only else answer.body)


class AdminServer:
    """Accepts, reads one head, answers, closes."""

    def __init__(
        self, loop: Loop, sock: socket.socket, answer: Callable[[Request], Answer | Deferred]
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._answer = answer
        self._clients: dict[_Client, None] = {}
        loop.watch(sock, read=self._accept, write=None)

    def _accept(self) -> None:
        while True:
            try:
                sock, address = self._sock.accept()
            except OSError:  # nothing left, or the client is gone again, or no descriptor is left
                return
            sock.setblocking(False)
            if len(self._clients) >= _MAX_CLIENTS:
                next(iter(self._clients)).close()  # the oldest has had its chance
            self._clients[_Client(self, sock, _is_loopback(str(address[0])))] = None

    @property
    def loop(self) -> Loop:
        """The loop its clients live on."""
        return self._loop

    def reply_to(self, request: Request) -> Answer | Deferred:
        """Return the answer to a well-formed request, now or later."""
        return self._answer(request)

    def forget(self, client: _Client) -> None:
        """Drop a client that is closed."""
        self._clients.pop(client, None)

    def sockets(self) -> list[socket.socket]:
        """Return every socket of the server, for a forked child to close."""
        return [self._sock, *(client.sock for client in self._clients)]

    def close(self) -> None:
        """Close the listener and every client."""
        self._loop.unwatch(self._sock)
        self._sock.close()
        for client in list(self._clients):
            client.close()


class _Client:
    """One connection to the admin port."""

    def __init__(self, server: AdminServer, sock: socket.socket, loopback: bool) -> None:
        self.sock = sock
        self._server = server
        self._loopback = loopback
        self._incoming = b""
        self._outgoing = b""
        self._deadline = server.loop.call_later(_MAX_SECONDS, self.close)
        server.loop.watch(sock, read=self._read, write=None)

    def _read(self) -> None:
        try:
            data = self.sock.recv(_MAX_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._incoming += data
        head, end, body = self._incoming.partition(b"\r\n\r\n")
        if end:
            self._reply(head, body)
        elif len(self._incoming) > _MAX_BYTES:
            self._begin(_refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def _reply(self, head: bytes, body: bytes) -> None:
        try:
            request = parse_request(head, loopback=self._loopback, body=body)
            if len(body) < body_length(request):
                return  # the rest is on its way
        except BadRequestError as error:
            self._begin(_refusal(error.status))
            return
        head_only = request.method == "HEAD"
        answer = self._server.reply_to(request)
        if isinstance(answer, Deferred):
            self._server.loop.unwatch(self.sock)
            answer.add_done_callback(lambda each: self._begin(render(each, head_only=head_only)))
        else:
            self._begin(render(answer, head_only=head_only))

    def _begin(self, answer: bytes) -> None:
        if self.sock.fileno() < 0:  # the client has not waited for it
            return
        self._outgoing = answer
        self._write()

    def _write(self) -> None:
        try:
            self._outgoing = self._outgoing[self.sock.send(self._outgoing) :]
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing = b""
        if self._outgoing:
            self._server.loop.watch(self.sock, read=None, write=self._write)
        else:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self.sock.fileno() < 0:
            return
        self._deadline.cancel()
        self._server.loop.unwatch(self.sock)
        self.sock.close()
        self._server.forget(self)


def _refusal(status: HTTPStatus) -> bytes:
    return render(Answer(status, status.phrase.encode() + b"\n", "text/plain"))


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"
