"""The cluster's service traffic in one object: `Proxy`, as kube-proxy is on every node.

Follows Services and EndpointSlices through the API, keeps every virtual node's lagging view, and
serves connections: to the load process by socket (`dialer`), and to pods at the addresses of
Services (`cluster_ips`), which also lead to named ports of this machine (`host_ports`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podready.clock import SYSTEM_CLOCK, Clock
from podready.cluster.client.informer import Handler, Informer
from podready.cluster.proxy.cluster_ips import ClusterIPs
from podready.cluster.proxy.dialer import DialServer
from podready.cluster.proxy.host_ports import HostPorts
from podready.cluster.proxy.proxier import Proxier
from podready.cluster.proxy.views import DEFAULT_NODES, Lag
from podready.journal import Journal, NullJournal
from podready.kube.gvk import ENDPOINT_SLICE, SERVICE
from podready.kube.meta import key, labels_of, namespace_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from pathlib import Path

    from podready.cluster.client.protocol import Client, Object
    from podready.cluster.proxy.backends import Backend
    from podready.cluster.proxy.dialer import Dial
    from podready.cluster.sandbox.interface import ServiceNetwork

SERVICE_NAME = "kubernetes.io/service-name"
_BY_SERVICE = "service"


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """How the service traffic behaves.

    `endpoint_lag` is the mean time in seconds from an endpoint change to a node's view of it;
    `addition_lag` and `removal_lag` override it for one direction. `socket_path` is where the
    load process finds the dialer. `host_ports` are those of this machine's loopback that pods may
    reach.
    """

    socket_path: Path
    nodes: int = DEFAULT_NODES
    endpoint_lag: float = 1.0
    addition_lag: float | None = None
    removal_lag: float | None = None
    seed: int = 0
    host_ports: tuple[int, ...] = ()

    @property
    def lag(self) -> Lag:
        """Return the lags of both directions."""
        return Lag(
            add=self.endpoint_lag if self.addition_lag is None else self.addition_lag,
            remove=self.endpoint_lag if self.removal_lag is None else self.removal_lag,
        )


class Proxy:
    """kube-proxy of all virtual nodes.

    `dial(namespace, pod)` gives a fresh TCP socket inside that pod's network, or raises
    LookupError when the pod has none (any more). `network` is where pods reach Services; without
    one they reach none.
    """

    def __init__(
        self,
        client: Client,
        dial: Dial,
        settings: ProxySettings,
        journal: Journal | None = None,
        clock: Clock = SYSTEM_CLOCK,
        network: ServiceNetwork | None = None,
    ) -> None:
        self._clock = clock
        self._proxier = Proxier(
            settings.nodes, settings.lag, settings.seed, journal or NullJournal(), clock
        )
        self._services = Informer(client, SERVICE)
        self._slices = Informer(client, ENDPOINT_SLICE, indexes={_BY_SERVICE: _service_keys})
        self._dialer = DialServer(settings.socket_path, self._proxier.pick, dial)
        self._cluster_ips = ClusterIPs(network, self._proxier, dial) if network else None
        self._host_ports = HostPorts(network, settings.host_ports) if network else None
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    async def start(self) -> None:
        """Take the cluster as it is, follow it, and open the dialer.

        What exists already is known to every node at once; only later changes lag.
        """
        self._services.add_handler(
            Handler(
                on_add=self._service_changed,
                on_update=lambda _old, new: self._service_changed(new),
                on_delete=self._service_deleted,
            )
        )
        self._slices.add_handler(Handler.on_any(self._slice_changed))
        for informer in (self._services, self._slices):
            self._spawn(informer.run())
            await informer.wait_synced()
        self._spawn(self._keep_views())
        self._dialer.start()
        if self._host_ports:
            self._host_ports.start()

    async def stop(self) -> None:
        """Close every socket and end every task of the proxy; never raises."""
        self._dialer.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for part in (self._cluster_ips, self._host_ports):
            if part:
                await part.stop()
        self._tasks = []

    def pick(self, node: int, service: str, port: int, client: str = "") -> Backend:
        """Return where `node` sends a new connection now; see `Proxier.pick`."""
        return self._proxier.pick(node, service, port, client)

    def _service_changed(self, service: Object) -> None:
        self._proxier.service_changed(service)
        if self._cluster_ips:
            self._cluster_ips.service_changed(service)

    def _service_deleted(self, service: Object) -> None:
        self._proxier.service_deleted(service)
        if self._cluster_ips:
            self._cluster_ips.service_deleted(service)

    def _slice_changed(self, slice_: Object) -> None:
        for service in _service_keys(slice_):
            slices = self._slices.by_index(_BY_SERVICE, service)
            self._proxier.slices_changed(service, slices, at_once=not self._slices.synced)
            self._news.set()

    async def _keep_views(self) -> None:
        while True:
            self._news.clear()
            self._proxier.settle()
            if self._cluster_ips:
                self._cluster_ips.settle()
            due = self._proxier.next_due
            wait = None if due is None else max(0.0, due - self._clock.monotonic())
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                pass  # a view is due

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(coroutine))


def _service_keys(slice_: Object) -> Iterable[str]:
    name = labels_of(slice_).get(SERVICE_NAME)
    return (key(namespace_of(slice_), name),) if name else ()
