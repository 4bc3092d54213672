"""Limits of the container: out of memory, and held back by its CPU quota, with real cgroups."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.runtime.conftest import StartPod, eventually

ROOT = Path("/sys/fs/cgroup")
MIB = 2**20

APP = """
import time
hoard = []
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/eat":
        while True:
            hoard.append(b"x" * 2**20)
    if scope["path"] == "/burn":
        end = time.thread_time() + 0.75
        while time.thread_time() < end:
            pass
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


class Group:
    """A cgroup of one controller, version 1 or 2."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 2 if (path / "cgroup.controllers").exists() else 1

    def limit_memory(self, size: int) -> None:
        """Have the kernel kill what uses more than `size` bytes."""
        if self.version == 2:
            self._write("memory.max", size)
            self._write("memory.swap.max", 0)
        else:
            self._write("memory.limit_in_bytes", size)
            if (self.path / "memory.memsw.limit_in_bytes").exists():
                self._write("memory.memsw.limit_in_bytes", size)

    def limit_cpu(self, share: float) -> None:
        """Let the group run for `share` of each period of 100 ms."""
        if self.version == 2:
            self._write("cpu.max", f"{share * 100_000:.0f} 100000")
        else:
            self._write("cpu.cfs_quota_us", f"{share * 100_000:.0f}")

    def prefix(self) -> list[str]:
        """Return the words that start a command inside the group."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def remove(self) -> None:
        """Remove it, once the last process has left."""
        eventually(lambda: not _read(self.path / "cgroup.procs").split(), "the cgroup is empty")
        self.path.rmdir()

    def _write(self, name: str, value: object) -> None:
        (self.path / name).write_text(str(value))


def _make(controller: str) -> Group:
    """Make a cgroup for this process's pods, or skip saying why there is none."""
    v1 = ROOT / controller
    parent = v1 if (v1 / "cgroup.procs").exists() else ROOT
    if parent == ROOT and controller not in _read(ROOT / "cgroup.subtree_control").split():
        pytest.skip(f"no cgroup here hands out its {controller} controller")
    path = parent / f"podready-test-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"making a {controller} cgroup needs root: {error.strerror}")
    return Group(path)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def group() -> Iterator[Callable[[str], Group]]:
    """Make a cgroup; asked for before `start_pod`, so that it ends after the pods did."""
    made: list[Group] = []

    def make(controller: str) -> Group:
        made.append(_make(controller))
        return made[-1]

    yield make
    for each in made:
        each.remove()


def test_a_worker_that_is_out_of_memory(group: Callable[[str], Group], start_pod: StartPod) -> None:
    """The kernel kills the largest process, the worker; it is replaced and the pod serves on."""
    memory = group("memory")
    pod = start_pod(APP, prefix=memory.prefix()).ready()
    worker = pod.workers()[0]["pid"]
    memory.limit_memory(150 * MIB)
    with pod.connect() as client:
        client.sendall(b"GET /eat HTTP/1.1\r\nHost: x\r\n\r\n")
        pod.line(f"worker {worker} was killed by SIGKILL")
    assert pod.probe("/livez")[0] == 200
    pod.ready()
    assert pod.get("/")[2] == b"ok"
    assert pod.stop() == 0


@pytest.mark.slow
def test_a_pod_that_is_held_back_is_not_restarted(
    group: Callable[[str], Group], start_pod: StartPod
) -> None:
    """With 5 % of a CPU, 0.75 s of work silence the worker for 15 s; /livez stays 200 meanwhile."""
    cpu = group("cpu")
    pod = start_pod(
        APP, "--stall-timeout", "5s", "--grace-period", "60s", prefix=cpu.prefix()
    ).ready()
    worker = pod.workers()[0]["pid"]
    cpu.limit_cpu(0.05)
    answers: list[bytes] = []
    burning = threading.Thread(target=lambda: answers.append(pod.get("/burn")[2]))
    begin = time.monotonic()
    burning.start()
    probes = []
    while burning.is_alive():
        probes.append(pod.probe("/livez")[0])
        burning.join(0.2)
    assert set(probes) == {200}
    assert answers == [b"ok"]
    assert time.monotonic() - begin > 10  # else nothing was held back, and nothing shown
    cpu.limit_cpu(10)
    assert pod.workers()[0]["pid"] == worker
    assert pod.stop() == 0


def test_the_kernels_counter_is_found(group: Callable[[str], Group], start_pod: StartPod) -> None:
    """/metrics shows how long the container was throttled."""
    cpu = group("cpu")
    pod = start_pod(APP, prefix=cpu.prefix()).ready()
    cpu.limit_cpu(0.05)
    pod.get("/burn")
    cpu.limit_cpu(10)
    eventually(lambda: _throttled(pod.get("/metrics", port=pod.admin)[2]) > 1, "it is counted")


def _throttled(page: bytes) -> float:
    lines = [line for line in page.splitlines() if line.startswith(b"podready_throttled_seconds")]
    return float(lines[0].split()[-1]) if lines else 0.0
