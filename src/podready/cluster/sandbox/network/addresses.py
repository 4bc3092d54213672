"""Addresses for pods, handed out in order: the one returned last is reused last."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv4Network

from podready.errors import ClusterError


class AddressPool:
    """The host addresses of one IPv4 network."""

    def __init__(self, network: str) -> None:
        self._network = IPv4Network(network)
        self._next = 2  # .0 is the network, .1 the gateway by custom
        self._returned: deque[str] = deque()

    def take(self) -> str:
        """Return an address that no living pod has."""
        if self._next < self._network.num_addresses - 1:
            self._next += 1
            return str(self._network[self._next - 1])
        if not self._returned:
            raise ClusterError(f"all addresses of {self._network} are taken: delete some pods")
        return self._returned.popleft()

    def give_back(self, ip: str) -> None:
        """Let a later pod have the address."""
        self._returned.append(ip)
