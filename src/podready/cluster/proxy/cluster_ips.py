"""The addresses of Services inside the cluster: from a pod to any pod behind a Service.

One listener for each TCP port of each Service, in the network that all pods are wired to. A new
connection is routed as the proxy of the client's own node would: by that node's lagging view, to a
random endpoint, without a retry. Pods are spread over the virtual nodes, by their addresses.

As kube-proxy's REJECT rule has it, a Service without endpoints refuses: its listener is closed as
long as no node has an endpoint for it. The hop differs from kube-proxy's NAT in two things: a dead
endpoint is a reset instead of a refusal, and the endpoint does not see the client's address.
"""

from __future__ import annotations

import logging
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

from podready.cluster.proxy.dialer import connect_backend
from podready.cluster.proxy.relay import Relay
from podready.kube.meta import key_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from podready.cluster.client.protocol import Object
    from podready.cluster.proxy.dialer import Dial
    from podready.cluster.proxy.proxier import Proxier
    from podready.cluster.sandbox.interface import ServiceNetwork

_LOG = logging.getLogger(__name__)


class ServiceAddress(NamedTuple):
    """One port of one Service ("namespace/name") at its address."""

    service: str
    ip: str
    port: int


class ClusterIPs:
    """Opens and closes the addresses of all Services as they and their endpoints come and go."""

    def __init__(self, network: ServiceNetwork, proxier: Proxier, dial: Dial) -> None:
        self._network, self._proxier, self._dial = network, proxier, dial
        self._wanted: dict[str, tuple[ServiceAddress, ...]] = {}
        self._open: dict[ServiceAddress, Relay] = {}
        self._closed: list[Relay] = []

    def service_changed(self, service: Object) -> None:
        """Take a new or changed Service."""
        self._wanted[key_of(service)] = tuple(_addresses(service))
        self.settle()

    def service_deleted(self, service: Object) -> None:
        """Forget a Service."""
        self._wanted.pop(key_of(service), None)
        self.settle()

    def settle(self) -> None:
        """Open what some node now routes to an endpoint, and close what none does."""
        routed = {
            address
            for addresses in self._wanted.values()
            for address in addresses
            if self._proxier.is_routed(address.service, address.port)
        }
        for address in self._open.keys() - routed:
            self._close(address)
        for address in sorted(routed - self._open.keys()):
            self._try_open(address)

    async def stop(self) -> None:
        """Close every address."""
        self._wanted = {}
        for relay in (*self._open.values(), *self._closed):
            await relay.stop()
        self._open, self._closed = {}, []

    def _try_open(self, address: ServiceAddress) -> None:
        try:
            listener = self._network.listen(address.ip, address.port)
        except OSError as error:
            _LOG.warning(
                "Service %s is not reachable at %s: %s", address.service, address.ip, error
            )
            return

        async def connect(client: str) -> socket.socket:
            return await self._connect(address, client)

        self._open[address] = Relay(listener, connect)
        self._open[address].start()

    def _close(self, address: ServiceAddress) -> None:
        """Stop accepting; as with kube-proxy, open connections go on until they end."""
        relay = self._open.pop(address)
        self._closed = [*(each for each in self._closed if not each.is_idle), relay]
        relay.close()

    async def _connect(self, address: ServiceAddress, client: str) -> socket.socket:
        node = int(IPv4Address(client)) % self._proxier.nodes
        backend = self._proxier.pick(node, address.service, address.port, client)
        return await connect_backend(self._dial, backend)


def _addresses(service: Object) -> Iterator[ServiceAddress]:
    spec = service.get("spec") or {}
    ip = spec.get("clusterIP")
    if not ip or ip == "None" or spec.get("type") == "ExternalName":
        return
    for port in spec.get("ports") or ():
        if port.get("protocol", "TCP") == "TCP":
            yield ServiceAddress(key_of(service), ip, port["port"])
