"""The race every rollout runs: a pod closes its listener before each node has heard of it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.rehearse.load.conftest import Server, StartServer

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.protocol import Object
from podready.cluster.proxy.proxy import Proxy, ProxySettings
from podready.kube.gvk import ENDPOINT_SLICE, SERVICE
from podready.rehearse.load.generator import Generator
from podready.rehearse.load.plan import Connection, DialerTarget, LoadPlan, Outcome, Sample
from podready.rehearse.load.summary import LoadSummary

pytestmark = pytest.mark.slow

MakePlan = Callable[..., LoadPlan]
Play = Callable[..., Awaitable[tuple[list[Sample], LoadSummary]]]
LAG, RATE, NODES = 0.6, 200.0, 4


class TimedJournal:
    """Facts with the time they were written at."""

    def __init__(self) -> None:
        self.facts: list[dict[str, Any]] = []
        self.settled = asyncio.Event()  # no node routes to pod 0 any more

    def write(self, kind: str, pod: str, **fields: Any) -> None:
        """Keep the fact and its moment."""
        self.facts.append({"t": time.monotonic(), "kind": kind, "pod": pod, **fields})
        if len(self.unrouted("default/pod-0")) == NODES:
            self.settled.set()

    def unrouted(self, pod: str) -> dict[int, float]:
        """Return when each node ceased to route to the pod."""
        gone = [f for f in self.facts if (f["pod"], f["state"]) == (pod, "unrouted")]
        return {fact["node"]: fact["t"] for fact in gone}


def endpoint(number: int, server: Server, *, ready: bool) -> Object:
    """Return the endpoint of a server's pod."""
    return {
        "addresses": [server.host],
        "conditions": {"ready": ready, "serving": ready, "terminating": not ready},
        "targetRef": {"kind": "Pod", "namespace": "default", "name": f"pod-{number}"},
    }


class Rollout:
    """A Service with two pods, of which one dies at once, as uvicorn does at SIGTERM."""

    def __init__(self, servers: list[Server], path: Path) -> None:
        self.servers = servers
        self.client = InProcessClient(Registry())
        self.journal = TimedJournal()
        self.path = path
        settings = ProxySettings(path, nodes=NODES, endpoint_lag=LAG)
        self.proxy = Proxy(self.client, lambda *_: socket.socket(), settings, self.journal)
        self.closed = 0.0

    def _slice(self, first_is_ready: bool) -> Object:
        readiness = (first_is_ready, True)
        return {
            "metadata": {"name": "hello-x", "labels": {"kubernetes.io/service-name": "hello"}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": self.servers[0].port, "protocol": "TCP"}],
            "endpoints": [
                endpoint(n, server, ready=ready)
                for n, (server, ready) in enumerate(zip(self.servers, readiness, strict=True))
            ],
        }

    async def start(self) -> None:
        """Create the Service and its endpoints, and start the proxy."""
        service = {"metadata": {"name": "hello"}, "spec": {"ports": [{"port": 80}]}}
        await self.client.create(SERVICE, "default", service)
        await self.client.create(ENDPOINT_SLICE, "default", self._slice(first_is_ready=True))
        await self.proxy.start()

    async def play(self, load: Generator) -> None:
        """Let pod 0 die under load, and wait for requests after every node has heard of it."""
        await eventually(lambda: all(server.peers for server in self.servers))
        self.servers[0].close_listener()
        self.closed = time.monotonic()
        live = await self.client.get(ENDPOINT_SLICE, "default", "hello-x")
        live["endpoints"] = self._slice(first_is_ready=False)["endpoints"]
        await self.client.update(ENDPOINT_SLICE, "default", live)
        await self.journal.settled.wait()
        last = max(self.journal.unrouted("default/pod-0").values())
        await eventually(lambda: load._next and load.started + load._next.due > last)
        planned = load._planned
        await eventually(lambda: load._planned > planned)


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@pytest.fixture
async def rollout(start_server: StartServer, tmp_path: Path) -> AsyncIterator[Rollout]:
    """Return a rollout about to happen."""
    first = start_server(host="127.77.2.1")
    second = start_server(host="127.77.2.2", port=first.port)
    rollout = Rollout([first, second], tmp_path / "dialer.sock")
    await rollout.start()
    yield rollout
    await rollout.proxy.stop()


async def test_requests_are_lost_while_a_nodes_view_outlives_the_listener(
    rollout: Rollout, plan: MakePlan, run_plan: Play
) -> None:
    """Every loss is a refusal of the dead pod, between its close and that node's own unrouting.

    What waited in the listener's queue as it closed is reset by the kernel: it had set out before.
    """
    target = DialerTarget(str(rollout.path), "default/hello", 80, NODES)
    endless = plan(target=target, rate=RATE, max_seconds=60.0, connections=((Connection.NEW, 1.0),))
    samples, _ = await run_plan(endless, rollout.play)
    unrouted = rollout.journal.unrouted("default/pod-0")
    lost = [s for s in samples if s.outcome is not Outcome.OK]
    refused = [s for s in lost if s.intended > rollout.closed]
    assert {(s.outcome, s.error, s.pod) for s in refused} == {
        (Outcome.REFUSED, "ECONNREFUSED", "default/pod-0")
    }
    assert {s.pod for s in lost} == {"default/pod-0"}
    for sample in lost:
        assert sample.done >= rollout.closed
        assert sample.intended <= unrouted[sample.node]
    late = [s for s in samples if s.intended > max(unrouted.values())]
    assert late
    assert {s.pod for s in late} == {"default/pod-1"}
    # Half of each node's share of the rate meets the dead pod until the node has heard of it.
    expected = sum(RATE / NODES / 2 * (gone - rollout.closed) for gone in unrouted.values())
    assert expected / 2 < len(lost) < expected * 2
