"""Which endpoints of a Service a new connection may go to, and which one it gets. Pure functions.

As kube-proxy (KEP-1669, "proxy terminating endpoints", GA in Kubernetes 1.28): the ready endpoints;
when there is none, those that are terminating but still serving; when there is none of these
either, the connection is refused at once. Every connection gets a random one, in iptables mode and
in nftables mode alike. There is no retry: a dead backend is the client's loss.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping

    from podready.cluster.client.protocol import Object

DEFAULT_AFFINITY_SECONDS = 10_800.0
"""Kubernetes' default sessionAffinityConfig.clientIP.timeoutSeconds: three hours."""


class EndpointState(IntEnum):
    """What an endpoint is good for; a higher one is chosen first."""

    UNUSABLE = 0
    TERMINATING = 1  # terminating, but still serving: chosen when no ready one is left
    READY = 2


class Backend(NamedTuple):
    """One pod behind one port of a Service; `pod` is "namespace/name"."""

    pod: str
    ip: str
    port: int


class ServicePort(NamedTuple):
    """One port of a Service ("namespace/name"), by its name; "" for an unnamed one."""

    service: str
    name: str


def endpoint_state(conditions: Mapping[str, bool | None]) -> EndpointState:
    """Return what an endpoint with these EndpointSlice conditions is good for.

    An unknown `ready` means true, an unknown `serving` means as `ready` (discovery.k8s.io/v1).
    """
    ready = conditions.get("ready")
    if ready is None or ready:
        return EndpointState.READY
    if conditions.get("serving") and conditions.get("terminating"):
        return EndpointState.TERMINATING
    return EndpointState.UNUSABLE


def endpoint_states(slices: Iterable[Object]) -> dict[str, dict[Backend, EndpointState]]:
    """Return, by port name, the usable endpoints in the slices of one Service.

    An endpoint that is in two slices for a moment counts with its better state. Endpoints
    without a pod (hand-written slices) are left out: there is no pod network to dial into.
    """
    found: dict[str, dict[Backend, EndpointState]] = {}
    for slice_ in slices:
        for port in slice_.get("ports") or ():
            known = found.setdefault(port.get("name") or "", {})
            for backend, value in _endpoints(slice_, port.get("port")):
                known[backend] = max(value, known.get(backend, EndpointState.UNUSABLE))
    return {
        name: {backend: value for backend, value in known.items() if value}
        for name, known in found.items()
    }


def _endpoints(slice_: Object, port: int | None) -> Iterable[tuple[Backend, EndpointState]]:
    for endpoint in slice_.get("endpoints") or ():
        target = endpoint.get("targetRef") or {}
        if port is None or target.get("kind") != "Pod":
            continue
        namespace = target.get("namespace") or slice_["metadata"].get("namespace", "")
        backend = Backend(f"{namespace}/{target['name']}", endpoint["addresses"][0], port)
        yield backend, endpoint_state(endpoint.get("conditions") or {})


def routed(known: Mapping[Backend, EndpointState]) -> tuple[Backend, ...]:
    """Return the endpoints that new connections go to, in a fixed order; empty means refused."""
    best = max(known.values(), default=EndpointState.UNUSABLE)
    if not best:
        return ()
    return tuple(sorted(backend for backend, value in known.items() if value is best))


class Affinity:
    """Remembers which endpoint each client had, for sessionAffinity ClientIP."""

    def __init__(self) -> None:
        self._had: dict[tuple[int, ServicePort, str], tuple[Backend, float]] = {}

    def keep(self, node: int, port: ServicePort, client: str, backend: Backend, now: float) -> None:
        """Note that `client` was sent to `backend` at `now` (seconds)."""
        self._had[node, port, client] = (backend, now)

    def find(
        self, node: int, port: ServicePort, client: str, choice: tuple[Backend, ...], since: float
    ) -> Backend | None:
        """Return the client's endpoint if it was used after `since` and is still a choice."""
        backend, used = self._had.get((node, port, client), (None, 0.0))
        return backend if backend in choice and used >= since else None


def choose(choice: tuple[Backend, ...], rng: random.Random) -> Backend | None:
    """Return any of the endpoints with equal chance; None when there is none."""
    return rng.choice(choice) if choice else None
