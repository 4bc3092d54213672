"""The load over the cluster's own dialer: both sides of the protocol, with real descriptors."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.rehearse.load.conftest import StartServer

from podready.cluster.proxy.backends import Backend
from podready.cluster.proxy.dialer import DialServer
from podready.cluster.proxy.proxier import RefusedError
from podready.rehearse.load.connector import (
    DIALER_LOST,
    DialerConnector,
    NoRouteError,
    Route,
    TcpConnector,
    connect,
)
from podready.rehearse.load.generator import Generator
from podready.rehearse.load.plan import (
    Connection,
    DialerTarget,
    LoadPlan,
    Outcome,
    RequestKind,
    Sample,
    TcpTarget,
)
from podready.rehearse.load.summary import LoadSummary

MakePlan = Callable[..., LoadPlan]
Play = Callable[..., Awaitable[tuple[list[Sample], LoadSummary]]]
MIX = ((Connection.PINNED, 0.4), (Connection.POOLED, 0.4), (Connection.NEW, 0.2))


def open_files() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Pods:
    """The pods behind the dialer: node k leads to pod k."""

    def __init__(self, path: Path) -> None:
        self.target = DialerTarget(str(path), "default/hello", 80, 3)
        self.backends: list[Backend] = []
        self.error: Exception | None = None
        self.server = DialServer(path, self.pick, self.dial)

    def pick(self, node: int, service: str, port: int, _: str) -> Backend:
        """Return the node's pod."""
        assert (service, port) == ("default/hello", 80)
        if isinstance(self.error, RefusedError):
            raise self.error
        return self.backends[node]

    def dial(self, _namespace: str, _pod: str) -> socket.socket:
        """Return an ordinary socket."""
        if self.error is not None:
            raise self.error
        return socket.socket()


@pytest.fixture
async def pods(tmp_path: Path, start_server: StartServer) -> AsyncIterator[Pods]:
    """Return three pods, each a real server on its own address, and a running dialer.

    The path of its socket is longer than the kernel takes, as those of CI systems can be.
    """
    pods = Pods(tmp_path / ("long" * 30) / "dialer.sock")
    for number in range(3):
        server = start_server(host=f"127.77.1.{number + 1}")
        pods.backends.append(Backend(f"default/pod-{number}", server.host, server.port))
    pods.server.start()
    yield pods
    pods.server.stop()


async def test_every_request_knows_its_node_and_its_pod(
    pods: Pods, plan: MakePlan, run_plan: Play
) -> None:
    """The dialer says which pod a connection leads to, so every sample names it."""
    samples, summary = await run_plan(plan(target=pods.target, count=100, connections=MIX))
    assert summary.outcomes == {"ok": 100}
    assert all(s.pod == f"default/pod-{s.node}" for s in samples)
    assert set(Counter(s.node for s in samples)) == {0, 1, 2}


async def test_a_refused_request_names_the_pod_that_refused(
    pods: Pods, plan: MakePlan, run_plan: Play
) -> None:
    """ECONNREFUSED of a pod that has closed its listener is attributed to that pod."""
    with socket.create_server(("127.77.1.9", 0)) as closed:
        host, port = closed.getsockname()
    pods.backends[1] = Backend("default/pod-1", host, port)
    samples, _ = await run_plan(plan(target=pods.target, count=60, connections=MIX))
    lost = [s for s in samples if s.outcome is not Outcome.OK]
    assert {(s.outcome, s.error, s.pod, s.node) for s in lost} == {
        (Outcome.REFUSED, "ECONNREFUSED", "default/pod-1", 1)
    }
    assert len(lost) == sum(1 for s in samples if s.node == 1)


@pytest.mark.parametrize(
    ("error", "reason", "named"),
    [(RefusedError("no-endpoints"), "no-endpoints", False), (KeyError("gone"), "pod-gone", True)],
)
async def test_no_route_is_a_refusal(
    pods: Pods, plan: MakePlan, run_plan: Play, error: Exception, reason: str, named: bool
) -> None:
    """No endpoint, or a pod without a network: lost at once, with the reason."""
    pods.error = error
    samples, summary = await run_plan(plan(target=pods.target, count=10))
    assert {(s.outcome, s.error) for s in samples} == {(Outcome.REFUSED, reason)}
    assert all(bool(s.pod) is named for s in samples)
    assert summary.error == ""  # the loss is the cluster's, not the generator's


async def test_a_lost_dialer_makes_the_run_inconclusive(
    pods: Pods, plan: MakePlan, run_plan: Play
) -> None:
    """When the cluster goes away under the load, its losses prove nothing about the app."""

    async def cluster_dies(generator: Generator) -> None:
        await asyncio.sleep(0)
        pods.server.stop()
        await generator.planned_out()

    only_new = ((Connection.NEW, 1.0),)
    samples, summary = await run_plan(
        plan(target=pods.target, count=20, connections=only_new), cluster_dies
    )
    assert len(samples) == 20
    assert {s.error for s in samples} == {DIALER_LOST}
    assert summary.doubt() == DIALER_LOST


async def test_a_slow_dialer_is_lag_and_no_loss(pods: Pods, plan: MakePlan, run_plan: Play) -> None:
    """What the cluster itself needs to give a way is not the app's: late, but not timed out."""
    loop, listener = asyncio.get_running_loop(), pods.server._listener
    assert listener is not None
    loop.remove_reader(listener)  # the dialer is busy elsewhere
    loop.call_later(0.5, loop.add_reader, listener, pods.server._accept)
    kinds = (RequestKind("hasty", timeout=0.2),)
    samples, summary = await run_plan(plan(target=pods.target, count=20, requests=kinds))
    assert {s.outcome for s in samples} == {Outcome.OK}
    assert summary.lag_p50_ms >= 300
    assert "late" in summary.doubt()


async def test_requests_cancelled_on_their_way_leak_no_descriptor(pods: Pods) -> None:
    """A request that times out before its socket arrives: the socket is closed on arrival."""
    connector = DialerConnector(pods.target)
    await connector.start()
    before = open_files()
    asking = [asyncio.create_task(connector.route(0)) for _ in range(20)]
    await asyncio.sleep(0)  # sent, not yet answered
    for task in asking[:10]:
        task.cancel()
    results = await asyncio.gather(*asking, return_exceptions=True)
    routes = [result for result in results if isinstance(result, Route)]
    assert len(routes) == 10
    for route in routes:
        route.socket.close()
    assert open_files() <= before + 1  # the dialer's own end of the line
    connector.close()
    with pytest.raises(NoRouteError, match="dialer"):
        await connector.route(0)


async def test_a_tcp_target_is_looked_up_once(start_server: StartServer) -> None:
    """`localhost` and any other name work; the socket connects to what was found."""
    server = start_server()
    connector = TcpConnector(TcpTarget("localhost", server.port))
    await connector.start()
    route = await connector.route(0)
    await connect(route)
    assert route.socket.getpeername()[1] == server.port
    route.socket.close()
    connector.close()


async def test_connect_waits_for_a_peer_that_does_not_answer_at_once() -> None:
    """A full backlog drops the SYN; the connection stands once there is room again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address):
            waiting = socket.socket()
            waiting.setblocking(False)
            task = asyncio.create_task(connect(Route(0, "", address, waiting)))
            await asyncio.sleep(0)
            assert not task.done()
            listener.setblocking(False)
            first, _ = listener.accept()
            await asyncio.wait_for(task, 30)
            assert waiting.getpeername() == address
            first.close()
            waiting.close()
