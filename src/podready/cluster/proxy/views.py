"""Each node's view of a Service's endpoints: the true state, some time ago.

In a cluster every node's kube-proxy sees an EndpointSlice change on its own and syncs at its
own time, so for a while the nodes disagree, and some still send new connections to a pod that is
gone. Here V virtual nodes each have a view of their own that follows after a sampled delay.
Pure: time comes in as numbers, chance as a seeded generator.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from podready.cluster.proxy.backends import Backend, EndpointState, ServicePort, routed

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping

DEFAULT_NODES = 4
"""Virtual nodes.

Enough for views to disagree for most of the lag, and few enough that each node's clients meet every
pod many times: a rollout of 3 pods draws 12 delays, and as these are stratified (see `Lag.delays`)
the mean delay of each change, and so the expected loss, is within a few per cent of the lag.
"""

JITTER = 0.5
"""Delays lie between 0.5 and 1.5 times the lag: kube-proxy's 1 s sync plus the watch, spread over
nodes."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How long a node takes to follow, in seconds: `add` for an endpoint that becomes usable (or
    better), `remove` for one that becomes less usable."""

    add: float = 1.0
    remove: float = 1.0

    def delays(self, nodes: int, mean: float, rng: random.Random) -> list[float]:
        """Return one delay a node, in seconds, for one change.

        Each is uniform in `mean` +- 50 %. The nodes share the range out between them (one of
        V equal strata each, in random order), so that every change has an early and a late node
        and a mean close to `mean`: a rollout's loss then varies with the app, not with the dice.
        A single node has exactly `mean`.
        """
        if nodes == 1:
            return [mean]
        strata = list(range(nodes))
        rng.shuffle(strata)
        width = 2 * JITTER / nodes
        return [mean * (1 - JITTER + width * (stratum + rng.random())) for stratum in strata]


@dataclass(frozen=True, slots=True)
class Rerouting:
    """From now on `node` sends (or no longer sends) new connections of `port` to `backend`."""

    node: int
    port: ServicePort
    backend: Backend
    routed: bool


class NodeView:
    """One node's view: the state of each endpoint of each port, and what that leads to."""

    def __init__(self) -> None:
        self._known: dict[ServicePort, dict[Backend, EndpointState]] = {}
        self._routed: dict[ServicePort, tuple[Backend, ...]] = {}

    def routed(self, port: ServicePort) -> tuple[Backend, ...]:
        """Return where new connections go."""
        return self._routed.get(port, ())

    def learn(
        self, port: ServicePort, backend: Backend, value: EndpointState
    ) -> Iterator[tuple[Backend, bool]]:
        """Take one endpoint's new state; yield what is newly routed to (True) or no longer."""
        known = self._known.setdefault(port, {})
        if value:
            known[backend] = value
        else:
            known.pop(backend, None)
        before, after = self.routed(port), routed(known)
        self._routed[port] = after
        for gone in before:
            if gone not in after:
                yield gone, False
        for new in after:
            if new not in before:
                yield new, True


class Views:
    """The views of all nodes, and the changes on their way to each."""

    def __init__(self, nodes: int, lag: Lag, rng: random.Random) -> None:
        self.nodes = nodes
        self._lag, self._rng = lag, rng
        self._views = [NodeView() for _ in range(nodes)]
        self._truth: dict[ServicePort, dict[Backend, EndpointState]] = {}
        self._coming: list[tuple[float, int, int, ServicePort, Backend, EndpointState]] = []
        self._last_due: dict[tuple[int, ServicePort, Backend], float] = {}
        self._order = count()

    def routed(self, node: int, port: ServicePort) -> tuple[Backend, ...]:
        """Return where `node` sends new connections of `port` by the latest `advance`."""
        return self._views[node].routed(port)

    def observe(
        self,
        port: ServicePort,
        endpoints: Mapping[Backend, EndpointState],
        now: float,
        *,
        at_once: bool = False,
    ) -> None:
        """Take the true endpoints of a port, seen at `now`; each node follows after its delay.

        `at_once` is for a node that has just started: it lists and syncs before it serves.
        """
        before = self._truth.get(port, {})
        for backend in sorted(before.keys() | endpoints.keys()):
            old = before.get(backend, EndpointState.UNUSABLE)
            new = endpoints.get(backend, EndpointState.UNUSABLE)
            if new is not old:
                mean = 0.0 if at_once else self._lag.add if new > old else self._lag.remove
                self._send(port, backend, new, now, mean)
        self._truth[port] = dict(endpoints)

    def _send(
        self, port: ServicePort, backend: Backend, value: EndpointState, now: float, mean: float
    ) -> None:
        for node, delay in enumerate(self._lag.delays(self.nodes, mean, self._rng)):
            # News of one endpoint never overtakes older news of it on the way to a node.
            due = max(now + delay, self._last_due.get((node, port, backend), 0.0))
            self._last_due[node, port, backend] = due
            heapq.heappush(self._coming, (due, next(self._order), node, port, backend, value))

    def advance(self, now: float) -> list[Rerouting]:
        """Let everything due by `now` take effect; return what that changed, oldest first."""
        changes: list[Rerouting] = []
        while self._coming and self._coming[0][0] <= now:
            due, _, node, port, backend, value = heapq.heappop(self._coming)
            if self._last_due.get((node, port, backend)) == due:
                del self._last_due[node, port, backend]
            changes += (
                Rerouting(node, port, one, to)
                for one, to in self._views[node].learn(port, backend, value)
            )
        return changes

    @property
    def next_due(self) -> float | None:
        """Return when the next change takes effect on some node; None when all are settled."""
        return self._coming[0][0] if self._coming else None
