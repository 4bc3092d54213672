"""The load as a process of its own: start, follow, stop; and never left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.rehearse.load.conftest import HELLO, Peer, StartServer

from podready.rehearse.load.plan import (
    Connection,
    DialerTarget,
    LoadPlan,
    Outcome,
    RequestKind,
)
from podready.rehearse.load.process import LoadError, LoadProcess
from podready.rehearse.load.samples import read_samples
from podready.rehearse.load.wire import encode_plan

pytestmark = pytest.mark.slow

MakePlan = Callable[..., LoadPlan]
COMMAND = [sys.executable, "-m", "podready.rehearse.load"]
MIX = ((Connection.PINNED, 0.4), (Connection.POOLED, 0.4), (Connection.NEW, 0.2))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    """Say whether the process is alive (a zombie is not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_a_whole_load(start_server: StartServer, plan: MakePlan) -> None:
    """Start, look at the progress, stop: all samples in order, and an account that agrees."""
    server = start_server()
    load = LoadProcess(plan(server, connections=MIX, max_seconds=600.0))
    await load.start()
    assert load.started > 0
    assert runs(load.pid)
    await until(lambda: load.progress.get("sent", 0) > 50)
    assert load.progress["outcomes"]["ok"] > 0
    samples, summary = await load.stop()
    assert not runs(load.pid)
    assert [s.index for s in samples] == list(range(summary.planned))
    assert {s.outcome for s in samples} == {Outcome.OK}
    assert summary.outcomes == {"ok": len(samples)}
    assert summary.loop in ("uvloop", "asyncio")
    assert summary.cpu_us_per_request > 0
    assert samples[0].intended == load.started
    assert sum(peer.requests for peer in server.peers) == len(samples)


async def test_temporary_samples_are_removed(start_server: StartServer, plan: MakePlan) -> None:
    """Without a place of their own, samples live in a temporary folder until they are read."""
    load = LoadProcess(plan(start_server(), samples=""))
    await load.start()
    where = Path(load.samples)
    samples, summary = await load.stop()
    assert len(samples) == summary.planned > 0
    assert not where.parent.exists()


async def test_the_end_of_the_plan_waits_for_the_driver(
    start_server: StartServer, plan: MakePlan
) -> None:
    """A plan that is over before the driver stops it loses nothing."""
    load = LoadProcess(plan(start_server(), count=20))
    await load.start()
    await until(lambda: load.progress.get("event") == "summary")
    samples, summary = await load.stop()
    assert len(samples) == summary.planned == 20


async def test_stop_with_a_short_timeout(start_server: StartServer, plan: MakePlan) -> None:
    """`stop(timeout)` reaches the process: what is under way then is unfinished."""

    def never(peer: Peer) -> None:
        peer.read()
        peer.read()

    one_shots = ((Connection.NEW, 1.0),)
    load = LoadProcess(plan(start_server(never), connections=one_shots, max_seconds=600.0))
    await load.start()
    await until(lambda: load.progress.get("in_flight", 0) > 0)
    samples, _ = await load.stop(0.1)
    assert {s.outcome for s in samples} == {Outcome.UNFINISHED}


async def test_streams_are_in_the_account(start_server: StartServer, plan: MakePlan) -> None:
    """What became of each stream comes with the summary."""

    def behave(peer: Peer) -> None:
        request = peer.read()
        peer.send(HELLO if b"GET / " in request else HELLO.replace(b"200 OK", b"404 No"))

    load = LoadProcess(plan(start_server(behave), streams=("/events",)))
    await load.start()
    _, summary = await load.stop()
    assert summary.streams
    assert summary.streams[0].path == "/events"


async def test_a_dialer_that_is_not_there_is_said(plan: MakePlan, tmp_path: Path) -> None:
    """A load that cannot start says why, and its process is gone."""
    target = DialerTarget(str(tmp_path / "nothing.sock"), "default/hello", 80, 4)
    load = LoadProcess(plan(target=target))
    with pytest.raises(LoadError, match="cannot start"):
        await load.start()
    assert not runs(load.pid)


async def test_a_killed_load_is_said(start_server: StartServer, plan: MakePlan) -> None:
    """When the process dies (out of memory, kill -9) the driver hears of it, not of a success."""
    load = LoadProcess(plan(start_server(), max_seconds=600.0))
    await load.start()
    os.kill(load.pid, signal.SIGKILL)
    with pytest.raises(LoadError, match="without a summary"):
        await load.stop()


async def test_kill_leaves_nothing(start_server: StartServer, plan: MakePlan) -> None:
    """After Ctrl-C in the driver, `kill` ends the process and removes its files; twice is fine."""
    load = LoadProcess(plan(start_server(), samples="", max_seconds=600.0))
    await load.start()
    where = Path(load.samples)
    await load.kill()
    await load.kill()
    assert not runs(load.pid)
    assert not where.parent.exists()


def test_the_end_of_standard_input_means_stop(start_server: StartServer, plan: MakePlan) -> None:
    """A driver that went away without a word leaves a complete sample file."""
    endless = plan(start_server(), max_seconds=600.0)
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        load.stdin.write(encode_plan(endless))
        load.stdin.flush()
        assert json.loads(load.stdout.readline())["event"] == "started"
        load.stdin.close()
        last = load.stdout.read().splitlines()[-1]
        assert load.wait(30) == 0
    summary = json.loads(last)
    assert summary["event"] == "summary"
    assert len(read_samples(endless.samples)) == summary["planned"]


def test_no_plan_is_no_load() -> None:
    """A driver that closes the pipe before it has a plan: a quiet end."""
    done = subprocess.run(
        COMMAND, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


DRIVER = """
import asyncio, sys
from podready.rehearse.load.process import LoadProcess
from podready.rehearse.load.wire import decode_plan

async def main():
    load = LoadProcess(decode_plan(sys.stdin.buffer.readline()))
    await load.start()
    print(load.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_load_dies_with_its_driver(start_server: StartServer, plan: MakePlan) -> None:
    """A driver that is killed outright takes the load with it."""
    endless = plan(
        start_server(), max_seconds=600.0, requests=(RequestKind("hello", timeout=500.0),)
    )
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(encode_plan(endless))
        driver.stdin.flush()
        pid = int(driver.stdout.readline())
        assert runs(pid)
        driver.kill()
    asyncio.run(until(lambda: not runs(pid)))
