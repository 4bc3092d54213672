"""What the load process reads and writes: the two sides of one pipe.

The generator is its own process (`python -m podready.rehearse.load`), so the measured and the
measurer share no interpreter lock. It reads one `LoadPlan` as JSON from standard input, writes
progress as JSON lines to standard output, stops when standard input says `stop` or closes, and
leaves every planned request in the sample file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Connection(StrEnum):
    """How a request gets its connection; a client kind of the loss model.

    PINNED: a keep-alive connection chosen once, as an L4 load balancer does for its clients.
    POOLED: any idle keep-alive connection of a pool, as an L7 proxy does.
    NEW: a connection of its own, closed after the answer.
    """

    PINNED = "pinned"
    POOLED = "pooled"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class RequestKind:
    """One kind of request in the mix; `weight` is its share of all requests."""

    name: str
    method: str = "GET"
    path: str = "/"
    weight: float = 1.0
    body: str = ""
    expect: int = 200
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class DialerTarget:
    """The local cluster's data plane: a unix socket that passes on sockets of pod networks."""

    path: str
    service: str
    port: int
    nodes: int


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """Any address that leads to the Service: a NodePort, a load balancer, an ingress."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One open-loop load: `rate` requests a second from `start` on, until it is stopped.

    Request i is due at start + i / rate and is sent then, whatever happened to the others.
    """

    target: DialerTarget | TcpTarget
    rate: float
    requests: tuple[RequestKind, ...]
    connections: tuple[tuple[Connection, float], ...] = (
        (Connection.PINNED, 0.4),
        (Connection.POOLED, 0.4),
        (Connection.NEW, 0.2),
    )
    host: str = "localhost"
    headers: tuple[tuple[str, str], ...] = ()
    connection_cap: int = 2000
    max_seconds: float = 600.0
    seed: int = 0
    samples: str = ""
    streams: tuple[str, ...] = field(default=())
    """Paths of SSE streams and `ws:` WebSockets kept open the whole time, reopened when ended."""
    one_way_delay: float = 0.0
    """Seconds a request travels on a kept connection before it reaches the pod; loopback's own
    travel time hides the keep-alive race that every real network has."""


class Outcome(StrEnum):
    """What became of a planned request. All but OK are dropped requests."""

    OK = "ok"
    REFUSED = "refused"  # the connection was refused (or no endpoint was left)
    RESET = "reset"  # RST after the connection was open
    EOF = "eof"  # closed before or within the answer
    TIMEOUT = "timeout"
    STATUS = "status"  # an answer, but not the expected status
    INVALID = "invalid"  # an answer that is not HTTP
    CAP = "cap"  # not sent: the generator's own connection cap; the run is inconclusive
    UNFINISHED = "unfinished"  # under way when the generator was stopped and its timeout ended


@dataclass(frozen=True, slots=True)
class Sample:
    """One planned request; times are CLOCK_MONOTONIC seconds, 0.0 where it never got so far."""

    index: int
    kind: str
    method: str
    connection: Connection
    intended: float
    sent: float
    first_byte: float
    done: float
    outcome: Outcome
    status: int
    bytes: int
    pod: str  # "namespace/name"; "" where unknown
    node: int
    conn_id: int
    reused: bool
    conn_age: float
    error: str  # errno name or a short text; "" when ok
