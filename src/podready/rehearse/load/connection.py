"""One HTTP/1.1 client connection, and the exchange of one request and its answer over it.

A raw `asyncio.Protocol` with httptools: all that a client library hides (reuse, who closed first,
reset or end of file, which pod) is what a rehearsal wants to know.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from podready.contract import POD_HEADER
from podready.rehearse.load.plan import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.rehearse.load.connector import Route
    from podready.rehearse.load.samples import Row
    from podready.rehearse.load.schedule import Arrival

_POD_HEADER = POD_HEADER.encode()
_PEEK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)  # an int: flags of an enum cost 5 us to join
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL}


class ClientSlot(Protocol):
    """Where the connection of an answered request goes back to."""

    node: int

    def take(self) -> HttpConnection | None:
        """Return a connection to send on, or None when one must be opened."""

    def give_back(self, connection: HttpConnection | None) -> None:
        """Take the connection back after its answer; None when it is gone."""


class LoadExchange:
    """One planned request under way, and what is known of it so far."""

    __slots__ = (
        "arrival",
        "body_ends_with_connection",
        "bytes",
        "conn_age",
        "conn_id",
        "connection",
        "first_byte",
        "intended",
        "opening",
        "pod",
        "request",
        "reused",
        "sent",
        "slot",
        "status",
    )  # fmt: skip

    def __init__(self, arrival: Arrival, intended: float, request: bytes, slot: ClientSlot) -> None:
        self.arrival, self.intended = arrival, intended
        self.request, self.slot = request, slot
        self.connection: HttpConnection | None = None
        self.opening: asyncio.Task[None] | None = None
        self.sent = self.first_byte = self.conn_age = 0.0
        self.status = self.bytes = self.conn_id = 0
        self.reused = False
        self.body_ends_with_connection = True
        self.pod = ""

    def row(self, outcome: Outcome, error: str, done: float) -> Row:
        """Return the record of the request with this outcome, in the order of `Sample`'s fields."""
        arrival = self.arrival
        return (
            arrival.number,
            arrival.kind.name,
            arrival.kind.method,
            arrival.connection,
            self.intended,
            self.sent,
            self.first_byte,
            done,
            outcome,
            self.status,
            self.bytes,
            self.pod,
            self.slot.node,
            self.conn_id,
            self.reused,
            self.conn_age,
            error,
        )


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What every connection of one load has in common.

    `finish` is called with each exchange's outcome; `delay` is the one-way delay in seconds that a
    request on a reused connection travels before it is written.
    """

    monotonic: Callable[[], float]
    finish: Callable[[LoadExchange, Outcome, str], None]
    delay: float = 0.0


class _AnswerState(Enum):
    """How far the answer on a connection has come."""

    WAITING = auto()
    BODY = auto()
    COMPLETE = auto()


class HttpConnection(asyncio.Protocol):
    """A connection that carries one exchange at a time, and calls `finish` with its outcome."""

    def __init__(self, number: int, route: Route, callbacks: Callbacks) -> None:
        self.number, self.pod, self._callbacks = number, route.pod, callbacks
        self._socket = route.socket  # the transport's own: asked, never read, from here
        self._opened = callbacks.monotonic()
        self._uses = 0
        self._keep = False
        self._exchange: LoadExchange | None = None
        self._answer = _AnswerState.WAITING
        self._transport: asyncio.Transport | None = None
        self._lost_by: Exception | None = None
        self._parser: httptools.HttpResponseParser | None = None

    # -- for the generator

    def still_open(self) -> bool:
        """Say whether another request may be sent; when not, the connection is closed.

        Looks into the socket's queue too, as urllib3 and Go's client do before they reuse a
        connection: a close that has arrived while this process was late is not the server's loss.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        try:
            self._socket.recv(1, _PEEK)
        except BlockingIOError:
            return True  # nothing has arrived: neither a close nor an unrequested answer
        except OSError:
            pass  # reset
        self.close()
        return False

    def send(self, exchange: LoadExchange) -> None:
        """Send the request; its outcome comes through `finish`."""
        now = self._callbacks.monotonic()
        exchange.connection, exchange.pod = self, self.pod
        exchange.conn_id, exchange.conn_age = self.number, now - self._opened
        exchange.reused, exchange.sent = self._uses > 0, now
        self._uses += 1
        if self._transport is None:  # lost between its opening and this request
            self._callbacks.finish(exchange, *loss(self._lost_by, 0))
            return
        self._exchange, self._answer = exchange, _AnswerState.WAITING
        if self._callbacks.delay and exchange.reused:
            loop = asyncio.get_running_loop()
            loop.call_later(self._callbacks.delay, self._write, exchange)
        else:
            self._write(exchange)

    def close(self) -> None:
        """Close politely (FIN)."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; an exchange under way is dropped, its outcome is the caller's."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    def _write(self, exchange: LoadExchange) -> None:
        if self._exchange is exchange and self._transport is not None:
            self._transport.write(exchange.request)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with a parser of its own."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Feed the answer; unrequested data ends the connection."""
        exchange = self._exchange
        if exchange is None or self._parser is None:
            self.close()
            return
        if not exchange.first_byte:
            exchange.first_byte = self._callbacks.monotonic()
        exchange.bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._answer is _AnswerState.COMPLETE:  # the answer was complete; ignore the rest
                self._complete(exchange, keep=False)
                return
            self.abort()
            self._callbacks.finish(exchange, Outcome.INVALID, str(error)[:80])
            return
        if self._answer is _AnswerState.COMPLETE:
            self._complete(exchange, keep=self._keep)

    def connection_lost(self, exc: Exception | None) -> None:
        """Judge the exchange that was under way, if there was one."""
        exchange, self._exchange = self._exchange, None
        self._lost_by = exc
        self._transport = self._parser = None  # the parser holds the connection: break the cycle
        if exchange is None:
            return
        if exc is None and self._answer is _AnswerState.BODY and exchange.body_ends_with_connection:
            self._callbacks.finish(exchange, *verdict(exchange))
        else:
            self._callbacks.finish(exchange, *loss(exc, exchange.bytes))

    # -- httptools callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the pod's name and whether the body's length is known."""
        exchange = self._exchange
        if exchange is None:
            return
        lower = name.lower()
        if lower in {b"content-length", b"transfer-encoding"}:
            exchange.body_ends_with_connection = False
        elif lower == _POD_HEADER and not exchange.pod:
            exchange.pod = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the status; the answer to HEAD is complete here."""
        if self._answer is _AnswerState.COMPLETE:
            return
        if self._exchange is not None and self._parser is not None:
            self._exchange.status = self._parser.get_status_code()
            head = self._exchange.arrival.kind.method == "HEAD"
            self._answer = _AnswerState.COMPLETE if head else _AnswerState.BODY
            self._keep = False  # a HEAD's parser would go on waiting for the body

    def on_message_complete(self) -> None:
        """Note that the answer is whole, unless it was an interim one (1xx)."""
        if self._exchange is None or self._parser is None or self._exchange.status < 200:
            return
        self._answer = _AnswerState.COMPLETE
        self._keep = self._parser.should_keep_alive()  # true to the answer only within this call

    def _complete(self, exchange: LoadExchange, *, keep: bool) -> None:
        self._exchange = None
        if not keep:
            self.close()
        self._callbacks.finish(exchange, *verdict(exchange))


def verdict(exchange: LoadExchange) -> tuple[Outcome, str]:
    """Return the outcome of a request that was answered."""
    if exchange.status == exchange.arrival.kind.expect:
        return Outcome.OK, ""
    return Outcome.STATUS, str(exchange.status)


def loss(exc: Exception | None, received: int) -> tuple[Outcome, str]:
    """Return the outcome of a request whose connection ended before the answer did."""
    if exc is None:
        return Outcome.EOF, "closed within the answer" if received else "closed before the answer"
    number = exc.errno if isinstance(exc, OSError) else None
    outcome = Outcome.TIMEOUT if number == errno.ETIMEDOUT else Outcome.RESET
    return outcome, errno_name(exc)


def refusal(exc: OSError) -> tuple[Outcome, str]:
    """Return the outcome of a request whose connection could not be opened.

    A host that cannot be reached counts as refused: no pod ever saw the request.
    """
    if exc.errno == errno.ETIMEDOUT:
        return Outcome.TIMEOUT, errno_name(exc)
    if exc.errno == errno.ECONNREFUSED or exc.errno in _UNREACHABLE:
        return Outcome.REFUSED, errno_name(exc)
    return Outcome.RESET, errno_name(exc)


def errno_name(exc: Exception) -> str:
    """Return `ECONNRESET` and the like, or the error's own message."""
    number = exc.errno if isinstance(exc, OSError) else None
    return errno.errorcode.get(number, str(exc)) if number else str(exc) or type(exc).__name__
