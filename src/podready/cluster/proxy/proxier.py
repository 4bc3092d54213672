"""The proxiers of all virtual nodes: Services and EndpointSlices in, one backend a connection out.

Knows no socket and no event loop: the shell in `proxy.py` feeds it what the informers see and wakes
it when a view is due.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podready.cluster.proxy.backends import (
    DEFAULT_AFFINITY_SECONDS,
    Affinity,
    Backend,
    ServicePort,
    choose,
    endpoint_states,
)
from podready.cluster.proxy.views import Lag, Views
from podready.kube.meta import dig, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.clock import Clock
    from podready.cluster.client.protocol import Object
    from podready.journal import Journal

NO_SERVICE = "no-service"
NO_ENDPOINTS = "no-endpoints"
NO_NODE = "no-node"


class RefusedError(Exception):
    """A connection that the node refuses at once; the argument is one of the reasons above."""


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """What a proxier needs of a Service: its ports by number, and how long a client sticks."""

    ports: dict[int, str]
    affinity_seconds: float  # 0.0 without sessionAffinity

    @classmethod
    def of(cls, service: Object) -> ServiceRules:
        """Return the rules of a Service object."""
        spec = service.get("spec") or {}
        sticky = spec.get("sessionAffinity") == "ClientIP"
        timeout = dig(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        return cls(
            ports={port["port"]: port.get("name") or "" for port in spec.get("ports") or ()},
            affinity_seconds=float(timeout or DEFAULT_AFFINITY_SECONDS) if sticky else 0.0,
        )


class Proxier:
    """Chooses, for each node by its own lagging view, where a new connection goes.

    Writes a `view` fact to the journal whenever a node begins or ceases to route to a pod.
    """

    def __init__(self, nodes: int, lag: Lag, seed: int, journal: Journal, clock: Clock) -> None:
        self._journal, self._monotonic = journal, clock.monotonic
        self._views = Views(nodes, lag, random.Random(f"{seed}/views"))  # noqa: S311 - simulation
        self._rng = random.Random(f"{seed}/choice")  # noqa: S311 - as kube-proxy's statistic match
        self._rules: dict[str, ServiceRules] = {}
        self._numbers: dict[ServicePort, int] = {}
        self._port_names: dict[str, set[str]] = {}
        self._affinity = Affinity()

    @property
    def nodes(self) -> int:
        """Return how many virtual nodes there are."""
        return self._views.nodes

    @property
    def next_due(self) -> float | None:
        """Return when `settle` has something to do, in CLOCK_MONOTONIC seconds."""
        return self._views.next_due

    def service_changed(self, service: Object) -> None:
        """Take a new or changed Service; all nodes know it at once."""
        key, rules = key_of(service), ServiceRules.of(service)
        self._rules[key] = rules
        self._numbers |= {ServicePort(key, name): port for port, name in rules.ports.items()}

    def service_deleted(self, service: Object) -> None:
        """Forget a Service: its connections are refused from here on."""
        self._rules.pop(key_of(service), None)

    def slices_changed(
        self, service: str, slices: Iterable[Object], *, at_once: bool = False
    ) -> None:
        """Take all EndpointSlices of a Service ("namespace/name") as they are now."""
        found = endpoint_states(slices)
        names = self._port_names.setdefault(service, set())
        names.update(found)
        now = self._monotonic()
        for name in sorted(names):
            port = ServicePort(service, name)
            self._views.observe(port, found.get(name, {}), now, at_once=at_once)
        self.settle()

    def settle(self) -> None:
        """Let every view follow that is due by now, and journal what changed."""
        for change in self._views.advance(self._monotonic()):
            self._journal.write(
                "view",
                change.backend.pod,
                node=change.node,
                service=change.port.service,
                port=self._numbers.get(change.port, 0),
                state="routed" if change.routed else "unrouted",
            )

    def pick(self, node: int, service: str, port: int, client: str = "") -> Backend:
        """Return where `node` sends a new connection to `service` ("namespace/name") and `port`.

        `client` is the client address for sessionAffinity. Raises RefusedError.
        """
        if not 0 <= node < self.nodes:
            raise RefusedError(NO_NODE)
        rules = self._rules.get(service)
        if rules is None or port not in rules.ports:
            raise RefusedError(NO_SERVICE)
        self.settle()
        service_port = ServicePort(service, rules.ports[port])
        backend = self._choose(node, service_port, client, rules.affinity_seconds)
        if backend is None:
            raise RefusedError(NO_ENDPOINTS)
        return backend

    def is_routed(self, service: str, port: int) -> bool:
        """Whether any node sends connections to `service` and `port` anywhere."""
        rules = self._rules.get(service)
        if rules is None or port not in rules.ports:
            return False
        service_port = ServicePort(service, rules.ports[port])
        return any(self._views.routed(node, service_port) for node in range(self.nodes))

    def _choose(
        self, node: int, port: ServicePort, client: str, affinity_seconds: float
    ) -> Backend | None:
        choice = self._views.routed(node, port)
        if not affinity_seconds:
            return choose(choice, self._rng)
        now = self._monotonic()
        kept = self._affinity.find(node, port, client, choice, now - affinity_seconds)
        backend = kept or choose(choice, self._rng)
        if backend is not None:
            self._affinity.keep(node, port, client, backend, now)
        return backend
