"""The clients of the load: which connection a request takes, and where it goes afterwards.

PINNED requests come from a fixed set of clients, each at one node with one keep-alive connection
chosen once; POOLED ones take any idle connection of their node's pool; NEW ones their own.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from podready.rehearse.load.plan import Connection

if TYPE_CHECKING:
    from podready.rehearse.load.connection import ClientSlot, HttpConnection
    from podready.rehearse.load.schedule import Arrival

PINNED_CLIENTS = 32
"""Clients with a pinned connection; more are added while all of them wait for an answer.

Divisible by the usual four nodes; at 120 pinned requests a second each sends about four, so
every connection is used many times in the second in which its pod drains.
"""


class PinnedClient:
    """A client that keeps one connection and opens another one when that is closed."""

    def __init__(self, node: int, free: deque[PinnedClient]) -> None:
        self.node = node
        self._free = free
        self._connection: HttpConnection | None = None

    def take(self) -> HttpConnection | None:
        """Return the client's connection while it is open."""
        connection, self._connection = self._connection, None
        return connection if connection is not None and connection.still_open() else None

    def give_back(self, connection: HttpConnection | None) -> None:
        """Keep the connection and be free for the next request."""
        self._connection = connection
        self._free.append(self)


class ConnectionPool:
    """The idle connections of one node; any of them may be next, as each may lead anywhere."""

    def __init__(self, node: int, rng: random.Random) -> None:
        self.node = node
        self._rng = rng
        self._idle: list[HttpConnection] = []

    def take(self) -> HttpConnection | None:
        """Return any idle connection that is still open."""
        while self._idle:
            chosen = self._rng.randrange(len(self._idle))
            self._idle[chosen], self._idle[-1] = self._idle[-1], self._idle[chosen]
            connection = self._idle.pop()
            if connection.still_open():
                return connection
        return None

    def give_back(self, connection: HttpConnection | None) -> None:
        """Put the connection back into the pool."""
        if connection is not None:
            self._idle.append(connection)


class OneShot:
    """A client that opens a connection for one request and closes it after the answer."""

    def __init__(self, node: int) -> None:
        self.node = node

    def take(self) -> HttpConnection | None:
        """Return nothing: a new connection is the point."""
        return None

    def give_back(self, connection: HttpConnection | None) -> None:
        """Close the connection."""
        if connection is not None:
            connection.close()


class Clients:
    """All clients of one load, spread over the nodes."""

    def __init__(self, nodes: int, seed: int) -> None:
        self._nodes = nodes
        self._free: deque[PinnedClient] = deque()
        self._pinned = 0
        for _ in range(PINNED_CLIENTS):
            self._free.append(self._another())
        rng = random.Random(f"{seed}/pool")  # noqa: S311 - spreads load, guards nothing
        self._pools = [ConnectionPool(node, rng) for node in range(nodes)]
        self._one_shots = [OneShot(node) for node in range(nodes)]

    def slot(self, arrival: Arrival) -> ClientSlot:
        """Return the client that sends this request; it is taken until `give_back`."""
        if arrival.connection is Connection.NEW:
            return self._one_shots[arrival.node]
        if arrival.connection is Connection.POOLED:
            return self._pools[arrival.node]
        return self._free.popleft() if self._free else self._another()

    def _another(self) -> PinnedClient:
        self._pinned += 1
        return PinnedClient((self._pinned - 1) % self._nodes, self._free)
