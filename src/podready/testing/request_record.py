"""One HTTP request to the app under test, and what became of it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_JOIN_SECONDS: Final = 5.0

FIRST_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read to its end; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body read as JSON; raises ValueError when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """What is sent: method, path, body, headers; and how long the client waits, in seconds."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    expect: int | None = None

    @property
    def title(self) -> str:
        """The request as people write it: `GET /slow`."""
        return f"{self.method} {self.path}"


class RequestRecord:
    """One request from its first byte on; `failure` says why it got no good answer."""

    def __init__(self, outgoing: OutgoingRequest) -> None:
        self.outgoing = outgoing
        self.begun = time.monotonic()
        self.ended: float | None = None
        self.sent = threading.Event()  # or failed before that
        self.client_port = 0
        self.refused = False
        self.failure = ""
        self.response: Response | None = None

    def run(self, connection: http.client.HTTPConnection) -> None:
        """Send the request on `connection` and read the answer; never raises an OSError."""
        try:
            self._connect(connection)
            self._send(connection)
            self.sent.set()
            self.response = self._read(connection)
        except (OSError, http.client.HTTPException) as error:
            self.failure = self.failure or _reason(error, self.outgoing.timeout)
            connection.close()
        finally:
            self.ended = time.monotonic()
            self.sent.set()

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        if connection.sock is not None:
            return
        try:
            connection.connect()
        except ConnectionRefusedError:
            self.refused = True
            raise

    def _send(self, connection: http.client.HTTPConnection) -> None:
        outgoing = self.outgoing
        self.client_port = connection.sock.getsockname()[1]
        connection.request(outgoing.method, outgoing.path, outgoing.body, dict(outgoing.headers))

    def _read(self, connection: http.client.HTTPConnection) -> Response:
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        response = Response(answer.status, headers, answer.read())
        if headers.get("connection", "").lower() == "close":
            connection.close()
        expect = self.outgoing.expect
        if response.status >= FIRST_SERVER_ERROR if expect is None else response.status != expect:
            wanted = "" if expect is None else f", not {expect}"
            self.failure = f"the app answered {response.status}{wanted}"
        return response


def _reason(error: Exception, timeout: float) -> str:
    """Return the sentence for an error of the connection."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, http.client.IncompleteRead):
        total = "" if error.expected is None else f" of {len(error.partial) + error.expected}"
        return f"the answer was cut after {len(error.partial)}{total} bytes"
    if isinstance(error, (http.client.RemoteDisconnected, ConnectionError)):
        return "the connection was closed without an answer"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    return f"{type(error).__name__}: {error}"


class PendingRequest:
    """A request on its way to the app under test, sent by a thread of its own."""

    def __init__(self, outgoing: OutgoingRequest, address: tuple[str, int]) -> None:
        self.record = RequestRecord(outgoing)
        self._connection = http.client.HTTPConnection(*address, timeout=outgoing.timeout)
        self._thread = threading.Thread(target=self._run, name=outgoing.title, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.record.run(self._connection)
        self._connection.close()

    @property
    def done(self) -> bool:
        """Whether the request has its answer, or has failed."""
        return not self._thread.is_alive()

    def response(self) -> Response:
        """Wait for the answer and return it; raises AssertionError when there is none."""
        self.join(self.record.outgoing.timeout + _JOIN_SECONDS)
        if self.record.response is None:
            why = self.record.failure or "the client still waits"
            raise AssertionError(f"{self.record.outgoing.title} got no answer: {why}")
        return self.record.response

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` for the end of the request."""
        self._thread.join(seconds)

    def close(self) -> None:
        """Give the request up."""
        sock = self._connection.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)  # close() alone would not wake the thread
            except OSError:  # it is closed already
                pass
        self.join(_JOIN_SECONDS)
