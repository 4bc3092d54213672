"""The name server on real sockets, asked by dnspython; the cluster behind it is a real API."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.dns.server import ClusterDns
from podready.kube.gvk import ENDPOINT_SLICE, SERVICE
from podready.kube.meta import Object

DEADLINE_SECONDS = 20.0


class FreePorts:
    """Stands in for the pods' network: UDP and TCP on one free port of 127.0.0.1."""

    joins_pods = True

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._tcp.getsockname()[1]

    def listen(self, ip: str, port: int) -> socket.socket:
        """Return the TCP port."""
        assert (ip, port) == ("10.96.0.10", 53)
        return self._tcp

    def datagrams(self, ip: str, port: int) -> socket.socket:
        """Return the UDP port."""
        assert (ip, port) == ("10.96.0.10", 53)
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", self.port))
        return made


class Server:
    """A name server, the API it follows, and a resolver."""

    def __init__(self) -> None:
        self.client = InProcessClient(Registry())
        self.network = FreePorts()
        self.dns = ClusterDns(self.client, self.network)

    async def ask(self, name: str, *, tcp: bool = False) -> dns.message.Message:
        """Return the answer to a question for addresses."""
        query = dns.message.make_query(name, "A", use_edns=False)
        way = dns.query.tcp if tcp else dns.query.udp
        return await asyncio.to_thread(
            way, query, "127.0.0.1", port=self.network.port, timeout=DEADLINE_SECONDS
        )

    async def until(
        self, name: str, condition: Callable[[dns.message.Message], bool]
    ) -> dns.message.Message:
        """Return the first answer for which `condition` holds."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition(answer := await self.ask(name)):
            assert time.monotonic() < deadline, str(answer)
        return answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Return a name server that has started."""
    made = Server()
    await made.dns.start()
    yield made
    await made.dns.stop()


async def test_services_come_and_go(server: Server) -> None:
    """A name appears with its Service, in any case of letters, and ends with it."""
    name = "web.default.svc.cluster.local"
    assert (await server.ask(name)).rcode() == dns.rcode.NXDOMAIN
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    made = await server.client.create(
        SERVICE, "default", {"metadata": {"name": "web"}, "spec": spec}
    )
    answer = await server.until(name.upper(), lambda said: bool(said.answer))
    assert [str(item) for item in answer.answer[0]] == [made["spec"]["clusterIP"]]
    await server.client.delete(SERVICE, "default", "web")
    await server.until(name, lambda said: said.rcode() == dns.rcode.NXDOMAIN)


def _slice(count: int) -> Object:
    endpoints = [
        {"addresses": [f"10.244.0.{n}"], "conditions": {"ready": True}} for n in range(2, 2 + count)
    ]
    labels = {"kubernetes.io/service-name": "peers"}
    return {
        "metadata": {"name": "peers-1", "labels": labels},
        "addressType": "IPv4",
        "endpoints": endpoints,
    }


async def test_a_long_answer_comes_by_tcp(server: Server) -> None:
    """UDP says that there is more; TCP has it all, also for a second question on a connection."""
    spec = {"clusterIP": "None", "selector": {"app": "peers"}}
    await server.client.create(SERVICE, "default", {"metadata": {"name": "peers"}, "spec": spec})
    await server.client.create(ENDPOINT_SLICE, "default", _slice(60))
    name = "peers.default.svc.cluster.local"
    await server.until(name, lambda said: bool(said.flags & dns.flags.TC))
    (rrset,) = (await server.ask(name, tcp=True)).answer
    assert len(rrset) == 60


async def test_garbage_is_not_answered(server: Server) -> None:
    """A packet that is no question changes nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"nonsense", ("127.0.0.1", server.network.port))
    assert (await server.ask("web.default.svc.cluster.local")).rcode() == dns.rcode.NXDOMAIN


async def test_names_outside_are_remembered(server: Server) -> None:
    """Once each, in their order; neither ours nor reverse look-ups."""
    for name in (
        "b.example",
        "A.example",
        "b.example",
        "x.svc.cluster.local",
        "1.0.0.127.in-addr.arpa",
    ):
        await server.ask(name)
    assert list(server.dns.asked_outside) == ["b.example", "a.example"]
