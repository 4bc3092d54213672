"""The gRPC probe's call, against grpcio's own health service and against others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio

from podready.cluster.kubelet.probes import probe as probes
from podready.cluster.kubelet.probes.grpc_request import GrpcRequestError, ServingStatus, check
from podready.cluster.kubelet.probes.probe import run_probe

LONG_NAME = "shop." * 50 + "Cart"


def dial() -> socket.socket:
    """Return a fresh socket, as a sandbox does."""
    sock = socket.socket()
    sock.setblocking(False)
    return sock


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Give the port of a health service that knows three names."""
    server = grpc.aio.server()
    health: Any = aio.HealthServicer()
    word = health_pb2.HealthCheckResponse
    await health.set("", word.SERVING)
    await health.set("busy", word.NOT_SERVING)
    await health.set(LONG_NAME, word.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    number = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield number
    await server.stop(0)


async def ask(port: int, service: str = "", timeout: float = 20.0) -> ServingStatus:
    """Ask the service on loopback."""
    return await check(dial, ("127.0.0.1", port), service, "kube-probe/1.35", timeout)


async def test_what_a_service_says(port: int) -> None:
    """The status of the server and of each service it knows."""
    assert await ask(port) is ServingStatus.SERVING
    assert await ask(port, "busy") is ServingStatus.NOT_SERVING
    assert await ask(port, LONG_NAME) is ServingStatus.SERVING


async def test_a_service_that_is_not_known(port: int) -> None:
    """NOT_FOUND is a failure of the call."""
    with pytest.raises(GrpcRequestError, match="health rpc probe failed"):
        await ask(port, "nothing")


async def test_a_server_without_the_health_service() -> None:
    """It is told apart from one that is not well."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with pytest.raises(GrpcRequestError, match="does not implement the grpc health protocol"):
        await ask(port)
    await server.stop(0)


async def test_nobody_there() -> None:
    """A refused connection names the address."""
    with pytest.raises(GrpcRequestError, match="failed to connect service at"):
        await ask(1)


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_not_grpc_at_all(words: bytes) -> None:
    """An HTTP/1 server, or one that hangs up."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        with pytest.raises(GrpcRequestError, match="error: "):
            await ask(server.sockets[0].getsockname()[1])


async def test_silence() -> None:
    """A server that says nothing is given the probe's time and no more."""
    late = pytest.raises(GrpcRequestError, match=r"did not complete within 0\.1s")
    with socket.create_server(("127.0.0.1", 0)) as mute, late:
        await ask(mute.getsockname()[1], timeout=0.1)


class Target:
    """A container on loopback."""

    ip = "127.0.0.1"
    dial = staticmethod(dial)

    def port(self, wanted: str | int) -> int:
        return int(wanted)


async def test_as_a_probe(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Success, failure, and what is said where the library is missing."""
    target: Any = Target()
    good = await run_probe({"grpc": {"port": port}}, target, 20)
    assert (good.ok, good.message) == (True, "service healthy")
    bad = await run_probe({"grpc": {"port": port, "service": "busy"}}, target, 20)
    assert (bad.ok, bad.message) == (False, 'service unhealthy (responded with "NOT_SERVING")')

    async def no_library(*_: object) -> ServingStatus:
        raise ModuleNotFoundError(name="h2")

    monkeypatch.setattr(probes, "check", no_library)
    missing = await run_probe({"grpc": {"port": port}}, target, 20)
    assert "pip install 'podready[grpc]'" in missing.message
