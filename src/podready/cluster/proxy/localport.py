"""A Service on a port of this machine, for curl and browsers: a NodePort of node 0.

Listens on 127.0.0.1 only. What a userspace hop can tell of its backend: see `relay`.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from podready.cluster.proxy.dialer import connect_backend
from podready.cluster.proxy.relay import Relay

if TYPE_CHECKING:
    from podready.cluster.proxy.dialer import Dial, Pick


class LocalPort:
    """One Service port at 127.0.0.1."""

    def __init__(self, service: str, port: int, pick: Pick, dial: Dial) -> None:
        self._service, self._port = service, port
        self._pick, self._dial = pick, dial
        self._relay: Relay | None = None

    def start(self, host_port: int = 0) -> int:
        """Listen on `host_port` (0: any free one) and return it; OSError when it is in use."""
        listener = socket.create_server(("127.0.0.1", host_port), backlog=128)
        listener.setblocking(False)
        self._relay = Relay(listener, self._connect)
        self._relay.start()
        bound: int = listener.getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the port and reset what is connected to it."""
        if self._relay is not None:
            await self._relay.stop()

    async def _connect(self, client: str) -> socket.socket:
        backend = self._pick(0, self._service, self._port, client)
        return await connect_backend(self._dial, backend)
