"""The open-loop schedule: when each request is due, what it asks, and over which connection.

A pure function of the plan: the same seed gives the same load. Shares are exact, not drawn:
after every block of 100 requests each kind has had its share of all requests to within one
request, and so has each way to connect within its kind. The order inside a block is shuffled,
so that no kind beats in time with the rollout or with another kind.
"""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from podready.rehearse.load.plan import Connection, LoadPlan, RequestKind

BLOCK = 100
"""Requests between two moments at which the shares are exact."""


class Arrival(NamedTuple):
    """One planned request; `due` is in seconds from the start of the load."""

    number: int
    due: float
    kind: RequestKind
    connection: Connection
    node: int


class Shares:
    """Gives out numbers 0..k-1 so that after n draws each came within one of its share of n.

    Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980): among
    those whose turn may already come, take the one whose turn must come first.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        total = sum(weights)
        if not weights or total <= 0 or min(weights) < 0:
            raise ValueError(f"shares need weights >= 0 with a sum > 0, not {list(weights)}")
        self._shares = [weight / total for weight in weights]
        self._assigned = [0] * len(weights)
        self._slack = 1 - 1 / (2 * len(weights) - 2) if len(weights) > 1 else 1.0
        self._may_come = 1 - self._slack - 1e-9  # a turn may come when this much of it is owed
        self._draws = 0

    def next(self) -> int:
        """Return the number whose turn it is."""
        self._draws += 1
        turn, first = -1, float("inf")
        for i, share in enumerate(self._shares):
            owed = share * self._draws - self._assigned[i]
            if share and owed >= self._may_come:
                deadline = (self._slack - owed) / share
                if deadline < first:
                    turn, first = i, deadline
        self._assigned[turn] += 1
        return turn


def arrivals(plan: LoadPlan, nodes: int) -> Iterator[Arrival]:
    """Yield the plan's requests in the order in which they are due, for as long as it may run.

    `nodes` is the number of nodes the clients are spread over. At most
    `plan.rate * plan.max_seconds` requests are planned.
    """
    limit = round(plan.rate * plan.max_seconds)
    mix = _mix(plan)
    nodes_of = random.Random(f"{plan.seed}/nodes")  # noqa: S311 - spreads load, guards nothing
    for number in range(limit):
        kind, connection = next(mix)
        yield Arrival(number, number / plan.rate, kind, connection, int(nodes_of.random() * nodes))


def _mix(plan: LoadPlan) -> Iterator[tuple[RequestKind, Connection]]:
    kinds = Shares([kind.weight for kind in plan.requests])
    connections = [Shares([share for _, share in plan.connections]) for _ in plan.requests]
    for number in count():
        block = []
        for _ in range(BLOCK):
            kind = kinds.next()
            connection, _ = plan.connections[connections[kind].next()]
            block.append((plan.requests[kind], connection))
        random.Random(f"{plan.seed}/{number}").shuffle(block)  # noqa: S311 - as above
        yield from block
