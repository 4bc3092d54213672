"""Both clients on the same registry: in the process, and over real HTTPS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.cluster.client.http_client import HttpClient

from podready.cluster.apiserver.registry import Registry
from podready.cluster.apiserver.server import ApiServer
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.protocol import Client
from podready.cluster.store.store import Store


class NoLogs:
    """A kubelet without containers."""

    async def open(
        self, _namespace: str, _pod: str, _container: str, *, previous: bool, follow: bool
    ) -> AsyncIterator[bytes]:
        for nothing in list[bytes]():
            yield nothing


@pytest.fixture
def registry() -> Registry:
    """A new cluster with a short memory, so that Gone can be met."""
    return Registry(Store(history=20))


@pytest.fixture
async def kubeconfig(registry: Registry, tmp_path: Path) -> AsyncIterator[Path]:
    """The way to an API server that is up."""
    server = ApiServer(registry, pod_logs=NoLogs())
    await server.start()
    path = tmp_path / "kubeconfig"
    server.write_kubeconfig(path)
    yield path
    await server.stop()


@pytest.fixture(params=["in process", "http"])
async def client(
    request: pytest.FixtureRequest, registry: Registry, kubeconfig: Path
) -> AsyncIterator[Client]:
    """Each of the two clients in turn: the holder of a Client cannot tell them apart."""
    if request.param == "in process":
        yield InProcessClient(registry)
        return
    async with HttpClient.from_kubeconfig(kubeconfig) as http:
        yield http


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for a condition, with a deadline."""

    async def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)

    return wait
