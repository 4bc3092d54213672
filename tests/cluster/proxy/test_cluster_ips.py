"""Addresses of Services: addresses that open with the first endpoint and close with the last."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest
from tests.cluster.proxy.conftest import HandClock, MemoryJournal, make_endpoint, make_slice
from tests.ports import HeldPort

from podready.cluster.client.protocol import Object
from podready.cluster.proxy.cluster_ips import ClusterIPs
from podready.cluster.proxy.proxier import Proxier
from podready.cluster.proxy.views import Lag

LAG = 10.0


class LoopbackNetwork:
    """Stands in for the pods' network: the addresses of Services are 127.0.0.0/8 here."""

    joins_pods = True

    def __init__(self) -> None:
        self.taken = False

    def listen(self, ip: str, port: int) -> socket.socket:
        """Return a listener."""
        if self.taken:
            raise OSError(98, "Address already in use")
        made = socket.create_server((ip, port))
        made.setblocking(False)
        return made

    def datagrams(self, ip: str, port: int) -> socket.socket:
        """Services here are TCP only."""
        raise AssertionError


class Cluster:
    """A Service `default/hello` at an address of its own, and the pod behind it."""

    def __init__(self, clock: HandClock, journal: MemoryJournal) -> None:
        self.clock = clock
        number = random.randrange(1, 250)
        self.ip = f"127.96.{number}.{random.randrange(1, 250)}"
        self.pod = socket.create_server((self.ip, 0))
        self.pod_port = self.pod.getsockname()[1]
        self.held = HeldPort(self.ip)
        self.port = self.held.number
        self.proxier = Proxier(2, Lag(LAG, LAG), 0, journal, clock)
        self.network = LoopbackNetwork()
        self.addresses = ClusterIPs(self.network, self.proxier, lambda *_: socket.socket())

    def service(self, **spec: object) -> Object:
        """Return the Service."""
        ports = [{"port": self.port, "protocol": "TCP"}]
        spec = {"clusterIP": self.ip, "ports": ports, **spec}
        return {"metadata": {"name": "hello", "namespace": "default"}, "spec": spec}

    def add_service(self, **spec: object) -> None:
        """Tell proxier and addresses of the Service."""
        self.proxier.service_changed(self.service(**spec))
        self.addresses.service_changed(self.service(**spec))

    def endpoints(self, *endpoints: Object, at_once: bool = False) -> None:
        """Tell the proxier of the endpoints there are now."""
        slice_ = make_slice(*endpoints, port=self.pod_port)
        self.proxier.slices_changed("default/hello", [slice_], at_once=at_once)
        self.addresses.settle()

    def ready(self) -> Object:
        """Return the pod's endpoint."""
        return make_endpoint("a", self.ip)

    def later(self, seconds: float) -> None:
        """Let the time pass, and with it the views follow."""
        self.clock.time += seconds
        self.proxier.settle()
        self.addresses.settle()

    def connects(self) -> bool:
        """Whether somebody accepts at the Service's address."""
        try:
            socket.create_connection((self.ip, self.port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True


@pytest.fixture
async def cluster(hand_clock: HandClock, memory_journal: MemoryJournal) -> AsyncIterator[Cluster]:
    """Return a cluster with nothing in it."""
    made = Cluster(hand_clock, memory_journal)
    yield made
    await made.addresses.stop()
    made.pod.close()
    made.held.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_service_without_endpoints_refuses(cluster: Cluster) -> None:
    """Refused like by kube-proxy's REJECT, until a node knows of an endpoint, and again after."""
    cluster.add_service()
    assert not cluster.connects()
    cluster.endpoints(cluster.ready())
    assert not cluster.connects()  # no node has heard of it yet
    cluster.later(2 * LAG)
    assert cluster.connects()
    cluster.endpoints()
    assert cluster.connects()  # nor of its end
    cluster.later(2 * LAG)
    await until(lambda: not cluster.connects())


async def test_bytes_go_both_ways_and_outlast_the_address(cluster: Cluster) -> None:
    """A connection that stands goes on when its endpoint left the Service (conntrack)."""
    cluster.add_service()
    cluster.endpoints(cluster.ready(), at_once=True)
    loop = asyncio.get_running_loop()
    client = socket.create_connection((cluster.ip, cluster.port))
    client.setblocking(False)
    cluster.pod.setblocking(False)
    server, _ = await loop.sock_accept(cluster.pod)
    with client, server:
        cluster.endpoints()
        cluster.later(2 * LAG)
        await until(lambda: not cluster.connects())
        await loop.sock_sendall(client, b"ping")
        assert await loop.sock_recv(server, 10) == b"ping"
        await loop.sock_sendall(server, b"pong")
        assert await loop.sock_recv(client, 10) == b"pong"
        await cluster.addresses.stop()
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(client, 10)


async def test_a_dead_endpoint_is_a_reset(cluster: Cluster) -> None:
    """No retry: who is routed to a pod that does not listen has lost."""
    cluster.add_service()
    cluster.endpoints(cluster.ready(), at_once=True)
    cluster.pod.close()
    loop = asyncio.get_running_loop()
    with socket.create_connection((cluster.ip, cluster.port)) as client:
        client.setblocking(False)
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(client, 1)


async def test_an_endpoint_that_comes_back_at_once(cluster: Cluster) -> None:
    """A address that is about to close opens again."""
    cluster.add_service()
    cluster.endpoints(cluster.ready(), at_once=True)
    cluster.endpoints(at_once=True)
    cluster.endpoints(cluster.ready(), at_once=True)
    await until(cluster.connects)


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"type": "ExternalName"}])
async def test_services_without_an_address(cluster: Cluster, spec: dict[str, str]) -> None:
    """Headless Services and names for others have no address."""
    cluster.add_service(**spec)
    cluster.endpoints(cluster.ready(), at_once=True)
    assert not cluster.connects()


async def test_a_deleted_service_refuses(cluster: Cluster) -> None:
    """Gone with its last rule."""
    cluster.add_service()
    cluster.endpoints(cluster.ready(), at_once=True)
    assert cluster.connects()
    cluster.proxier.service_deleted(cluster.service())
    cluster.addresses.service_deleted(cluster.service())
    await until(lambda: not cluster.connects())


async def test_a_port_that_cannot_be_opened_is_logged(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """The others go on."""
    cluster.network.taken = True
    cluster.add_service()
    cluster.endpoints(cluster.ready(), at_once=True)
    assert "default/hello is not reachable" in caplog.text
