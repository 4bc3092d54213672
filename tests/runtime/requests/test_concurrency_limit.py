"""The limit on requests at once, and the settings of a drain that depend on the data plane."""

from __future__ import annotations

import asyncio
import signal

import pytest
from tests.runtime.conftest import StartPod, eventually

from podready.runtime.requests.concurrency_limit import ConcurrencyLimit
from podready.runtime.run_config import load_config

pytestmark = pytest.mark.slow


async def test_over_the_limit_without_a_wait() -> None:
    """The request that is one too many is refused at once; a place that is free is given."""
    limit = ConcurrencyLimit(2, 0)
    assert [await limit.acquire() for _ in range(3)] == [True, True, False]
    limit.release()
    assert await limit.acquire()
    assert limit.rejected == 1


async def test_waiting_for_a_place() -> None:
    """A waiting request gets the place that is given back; too many waiting are refused."""
    limit = ConcurrencyLimit(1, 20)
    assert await limit.acquire()
    waiting = asyncio.ensure_future(limit.acquire())
    await asyncio.sleep(0)
    assert limit.waiting == 1
    assert not await limit.acquire()
    limit.release()
    assert await waiting
    limit.release()
    assert await limit.acquire()


async def test_the_wait_ends() -> None:
    """After the wait it is refused, and no place is lost by it."""
    limit = ConcurrencyLimit(1, 0.01)
    assert await limit.acquire()
    assert not await limit.acquire()
    limit.release()
    assert await limit.acquire()


async def test_a_client_that_leaves_while_waiting() -> None:
    """A cancelled wait gives its turn to the next."""
    limit = ConcurrencyLimit(2, 20)
    assert [await limit.acquire(), await limit.acquire()] == [True, True]
    first, second = (asyncio.ensure_future(limit.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    limit.release()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second


def test_rejection_leaves_readiness_alone(start_pod: StartPod) -> None:
    """Over the limit there is 503 with Retry-After; the probes and the request go on."""
    pod = start_pod(
        """
        import asyncio
        gate = asyncio.Event()
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            if scope["path"] == "/wait":
                await gate.wait()
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
        """,
        "--max-concurrency",
        "1",
        "--grace-period",
        "4s",
        "--hook-time",
        "1s",
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        status, headers, _ = pod.get("/")
        assert (status, headers["retry-after"]) == (503, "1")
        assert pod.probe("/readyz")[0] == 200
    eventually(lambda: pod.workers()[0]["rejected"] == 1, "it is counted")


def test_serve_keeps_readyz_during_the_drain(start_pod: StartPod) -> None:
    """With --drain-readiness serve the last pod of a Service stays ready while it drains."""
    pod = start_pod(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n",
        "--drain-delay",
        "60s",
        "--grace-period",
        "90s",
        "--drain-readiness",
        "serve",
    ).ready()
    pod.send(signal.SIGTERM)
    pod.phase("draining")
    assert pod.probe("/readyz")[0] == 200
    pod.send(signal.SIGTERM)
    assert pod.end() == 0


def test_profiles() -> None:
    """A profile sets drain and grace together, in a pod only; explicit values win."""
    in_pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "PODREADY_PROFILE": "alb"}
    budget = load_config(["a:b"], in_pod).budget()
    assert (budget.drain, budget.grace) == (40, 90)
    budget = load_config(["a:b", "--grace-period", "120s"], in_pod).budget()
    assert (budget.drain, budget.grace) == (40, 120)
    budget = load_config(["a:b", "--profile", "alb"], {}).budget()
    assert (budget.drain, budget.grace) == (0, 10)
