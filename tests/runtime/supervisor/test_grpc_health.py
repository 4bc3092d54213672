"""The gRPC health service of a real pod, asked by a real gRPC client."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.ports import HeldPort
from tests.runtime.conftest import Pod, StartPod, eventually

from podready.errors import MissingExtra
from podready.runtime.lifecycle import Lifecycle
from podready.runtime.loop.loop import Loop
from podready.runtime.run_config import RunConfig
from podready.runtime.supervisor import grpc_health
from podready.runtime.supervisor.state import State
from podready.runtime.supervisor.workers import WorkerPool

pytestmark = pytest.mark.slow

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING

APP = """
    import podready
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        podready.set_ready(scope["path"] != "/leave", "asked to")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is free."""
    with HeldPort() as held:
        yield held.number


@pytest.fixture
def pod(start_pod: StartPod, port: int) -> Pod:
    """A pod with the service, and with a drain delay longer than the test."""
    flags = ("--drain-delay", "100s", "--grace-period", "200s")
    pod = start_pod(APP, "--grpc-health-port", str(port), "--admin-host", "127.0.0.1", *flags)
    pod.line("gRPC health service on port")
    return pod


@pytest.fixture
def health(port: int) -> Iterator[Any]:
    """A client of the service."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield HealthStub(channel)


def ask(health: Any, service: str = "") -> int:
    """Ask as the kubelet does."""
    answer = health.Check(HealthCheckRequest(service=service), timeout=20, wait_for_ready=True)
    return int(answer.status)


def test_it_follows_readiness(pod: Pod, health: Any) -> None:
    """SERVING with the first ready moment, and with the app's own word."""
    pod.ready()
    eventually(lambda: ask(health) == SERVING, "serving")
    pod.get("/leave")
    eventually(lambda: ask(health) == NOT_SERVING, "not serving")
    assert ask(health, "livez") == SERVING
    pod.get("/return")
    eventually(lambda: ask(health) == SERVING, "serving again")


def test_the_drain_begins_with_not_serving(pod: Pod, health: Any) -> None:
    """A watching client hears it at once; alive and started it stays, and it goes with the pod."""
    pod.ready()
    eventually(lambda: ask(health) == SERVING, "serving")
    watch = health.Watch(HealthCheckRequest(service="readyz"), timeout=20)
    assert next(watch).status == SERVING
    pod.send(signal.SIGTERM)
    assert next(watch).status == NOT_SERVING
    assert [ask(health, name) for name in ("livez", "startupz")] == [SERVING, SERVING]
    pod.send(signal.SIGTERM)
    assert pod.end() == 0
    with pytest.raises(grpc.RpcError):
        health.Check(HealthCheckRequest(), timeout=20)


def test_a_name_that_is_not_known(pod: Pod, health: Any) -> None:
    """The protocol's own answer: NOT_FOUND."""
    with pytest.raises(grpc.RpcError) as refused:
        ask(health, "shop.Cart")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_it_is_replaced_when_it_dies(pod: Pod, health: Any) -> None:
    """A pod that is well must not fail its gRPC probes for long."""
    pod.ready()
    for pid in _children(pod):
        if b"grpc_health_server" in _command_line(pid):
            os.kill(pid, signal.SIGKILL)
    pod.line("the gRPC health service has ended")
    eventually(lambda: ask(health) == SERVING, "serving again")


def _children(pod: Pod) -> list[int]:
    pid = pod.process.pid
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(each) for each in children.read().split()]


def _command_line(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as command_line:
        return command_line.read()


def test_a_port_that_is_taken(start_pod: StartPod) -> None:
    """The start fails with a sentence, as for the other ports."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = str(other.getsockname()[1])
        pod = start_pod(APP, "--grpc-health-port", taken, "--admin-host", "127.0.0.1")
        assert pod.end() == 3
    assert f"port {taken} is taken by another process" in str(pod.noise)


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the line that installs it."""
    monkeypatch.setattr(grpc_health, "find_spec", lambda _name: None)
    loop = Loop()
    workers = WorkerPool(loop, lambda _worker, _message: None)
    state = State(RunConfig(app="x", grpc_health_port=1), loop, Lifecycle(0.0), workers)
    health = grpc_health.GrpcHealth(state, lambda: pytest.fail("no probe is asked"))
    with pytest.raises(MissingExtra, match=r"pip install 'podready\[grpc\]'"):
        health.start()
    loop.close()
