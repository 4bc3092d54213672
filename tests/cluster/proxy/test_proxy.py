"""The whole proxy on a real API: Services and slices in, connections to real listeners out."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.cluster.proxy.conftest import MemoryJournal

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.protocol import Object
from podready.cluster.proxy.proxier import RefusedError
from podready.cluster.proxy.proxy import Proxy, ProxySettings
from podready.kube.gvk import ENDPOINT_SLICE, SERVICE
from podready.socket_path import short

Make = Callable[..., Object]
LAG = 0.1


@pytest.fixture
def client() -> InProcessClient:
    """Return a client of an empty API."""
    return InProcessClient(Registry())


@pytest.fixture
async def proxy(
    client: InProcessClient, memory_journal: MemoryJournal, tmp_path: Path
) -> AsyncIterator[Proxy]:
    """Return a proxy of three nodes with a short lag; the tests start it."""
    settings = ProxySettings(tmp_path / "dialer.sock", nodes=3, endpoint_lag=LAG)
    proxy = Proxy(client, lambda *_: socket.socket(), settings, memory_journal)
    yield proxy
    await proxy.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def dial(path: Path, node: int) -> str:
    """Ask the dialer once; return the pod or the error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dialer:
        dialer.settimeout(10)
        with short(path) as name:
            dialer.connect(name)
        request = {"id": 1, "service": "default/hello", "port": 80, "node": node}
        dialer.send(json.dumps(request).encode())
        message, descriptors, _, _ = socket.recv_fds(dialer, 4096, 1)
        for descriptor in descriptors:
            socket.close(descriptor)
        fact = json.loads(message)
        return str(fact.get("error") or fact["pod"])


async def test_what_exists_at_the_start_is_known_at_once(
    proxy: Proxy,
    client: InProcessClient,
    service: Make,
    endpoint: Make,
    endpoint_slice: Make,
    tmp_path: Path,
) -> None:
    """A proxy that starts serves all that is there already, without any lag."""
    await client.create(SERVICE, "default", service())
    await client.create(ENDPOINT_SLICE, "default", endpoint_slice(endpoint("a", "127.77.0.1")))
    await proxy.start()
    for node in range(3):
        assert await asyncio.to_thread(dial, tmp_path / "dialer.sock", node) == "default/a"


async def test_a_change_reaches_every_node_in_its_time(
    proxy: Proxy,
    client: InProcessClient,
    service: Make,
    endpoint: Make,
    endpoint_slice: Make,
    memory_journal: MemoryJournal,
) -> None:
    """Endpoints that come and go are journalled once for each node, without anybody asking."""
    await proxy.start()
    await client.create(SERVICE, "default", service())
    made = await client.create(
        ENDPOINT_SLICE, "default", endpoint_slice(endpoint("a", "127.77.0.1"))
    )
    await until(lambda: len(memory_journal.facts) == 3)
    assert {(f["node"], f["state"]) for f in memory_journal.facts} == {
        (node, "routed") for node in range(3)
    }
    made["endpoints"] = []
    await client.update(ENDPOINT_SLICE, "default", made)
    await until(lambda: len(memory_journal.facts) == 6)
    assert {f["state"] for f in memory_journal.facts[3:]} == {"unrouted"}
    assert _told(proxy) == "no-endpoints"
    await client.delete(SERVICE, "default", "hello")
    await until(lambda: _told(proxy) == "no-service")


def _told(proxy: Proxy) -> str:
    """Return the reason why node 0 refuses."""
    with pytest.raises(RefusedError) as refusal:
        proxy.pick(0, "default/hello", 80)
    return str(refusal.value)


async def test_a_proxy_that_never_started_can_be_stopped(proxy: Proxy) -> None:
    """The cluster may fail half-way through its start and stops everything then."""
    await proxy.stop()
