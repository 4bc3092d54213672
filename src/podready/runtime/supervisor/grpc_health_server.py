"""The gRPC health service (grpc.health.v1), a process of its own beside the supervisor.

It answers what the supervisor's last message on stdin says: the service "" and `readyz` follow
readiness, `livez` and `startupz` their probes. It ignores signals and ends with the supervisor.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio

from podready.contract import READYZ
from podready.runtime.loop.channel import Channel
from podready.runtime.loop.messages import Listening, ProbeStatus, ServiceFailed, unexpected

if TYPE_CHECKING:
    from podready.runtime.loop.messages import Message, Unreadable

_MAX_CALLS: Final = 100
"""At once, those of `Watch` included; the kubelet makes one at a time."""

_WHOLE_POD: Final = ""
"""The service name of a probe that names none (gRPC health checking protocol)."""


class _Service:
    """The servicer, and the messages that it follows."""

    def __init__(self, sock: socket.socket) -> None:
        self._channel = Channel(sock, lambda _sentence: None)  # it sends two messages in its life
        self._messages: asyncio.Queue[Message | Unreadable | None] = asyncio.Queue()
        self._servicer: Any = aio.HealthServicer()

    async def serve(self, address: str) -> None:
        """Serve on `address` until the supervisor is gone."""
        server = grpc.aio.server(
            maximum_concurrent_rpcs=_MAX_CALLS,
            options=[("grpc.so_reuseport", 0)],  # a port that is taken is an error
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        asyncio.get_running_loop().add_reader(self._channel.sock.fileno(), self._receive)
        try:
            port = server.add_insecure_port(address)
        except RuntimeError:  # grpcio has no errno in it
            self._channel.send(ServiceFailed(_sentence(address)))
            return
        await server.start()
        self._channel.send(Listening(port))
        while (message := await self._messages.get()) is not None:
            if isinstance(message, ProbeStatus):
                await self._set(message.passing)
            else:
                self._channel.send(ServiceFailed(f"the supervisor {unexpected(message)}"))
        await server.stop(0)

    def _receive(self) -> None:
        messages = self._channel.receive()
        if messages is None:
            asyncio.get_running_loop().remove_reader(self._channel.sock.fileno())
        for message in (None,) if messages is None else messages:
            self._messages.put_nowait(message)

    async def _set(self, passing: dict[str, bool]) -> None:
        response = health_pb2.HealthCheckResponse
        for name, passes in passing.items():
            status = response.SERVING if passes else response.NOT_SERVING
            await self._servicer.set(name, status)
            if f"/{name}" == READYZ:
                await self._servicer.set(_WHOLE_POD, status)


def _sentence(address: str) -> str:
    port = address.rpartition(":")[2]
    return (
        f"the gRPC health service cannot listen on {address}: port {port} is taken by another "
        "process, or not allowed; choose another --grpc-health-port"
    )


def main(arguments: list[str]) -> None:
    """Run the service: HOST PORT on the command line, the supervisor on stdin."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the supervisor, which ends us
    host, port = arguments
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    asyncio.run(_Service(socket.socket(fileno=0)).serve(address))


if __name__ == "__main__":
    main(sys.argv[1:])
