"""Ports of this machine's loopback that pods may reach: a database, a cache, a broker.

In a pod they are at `host.podready.internal`. Only ports that the project names, and TCP only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from podready.cluster.proxy.relay import Relay
from podready.kube.addresses import HOST_ADDRESS

if TYPE_CHECKING:
    from podready.cluster.sandbox.interface import ServiceNetwork


class HostPorts:
    """Passes connections from pods on to 127.0.0.1; each port keeps its number."""

    def __init__(self, network: ServiceNetwork, ports: Iterable[int]) -> None:
        self._network, self._ports = network, tuple(ports)
        self._relays: list[Relay] = []

    def start(self) -> None:
        """Listen on every port."""
        for port in self._ports:
            self._relays.append(_relay(self._network, port))

    async def stop(self) -> None:
        """Close every port and reset what is connected through it."""
        for relay in self._relays:
            await relay.stop()
        self._relays = []


def _relay(network: ServiceNetwork, port: int) -> Relay:
    async def connect(_client: str) -> socket.socket:
        return await _connect_host(port)

    relay = Relay(network.listen(HOST_ADDRESS, port), connect)
    relay.start()
    return relay


async def _connect_host(port: int) -> socket.socket:
    fresh = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    fresh.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(fresh, ("127.0.0.1", port))
    except BaseException:
        fresh.close()
        raise
    return fresh
