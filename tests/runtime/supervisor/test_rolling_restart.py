"""Several workers: rolling restart, recycling, silence, and a listener without anybody behind."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from tests.runtime.conftest import StartPod, eventually

from podready.runtime.metrics.throttling import Throttling
from podready.runtime.supervisor.workers import RestartBackoff
from podready.values.sizes import parse_size

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.runtime.conftest import Pod

HELLO = """
import os, pathlib
assert not pathlib.Path("broken").exists(), "broken version"
def app(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        os.kill(os.getpid(), 9)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def pids(pod: Pod) -> set[int]:
    """Return the workers that serve."""
    return {
        each["pid"]
        for each in pod.workers()
        if each["stage"] == "listening" and not each["retiring"]
    }


class Load(threading.Thread):
    """Asks again and again until told to stop; counts what was lost."""

    def __init__(self, pod: Pod) -> None:
        super().__init__()
        self.sent = 0
        self.lost: list[str] = []
        self._pod = pod
        self._port = pod.port
        self._done = threading.Event()

    def run(self) -> None:
        """Ask on new connections."""
        while not self._done.is_set():
            self.sent += 1
            try:
                status = self._pod.get("/", port=self._port)[0]
                if status != 200:
                    self.lost.append(str(status))
            except OSError as error:
                self.lost.append(repr(error))

    def stop(self) -> None:
        """End it."""
        self._done.set()
        self.join()


def test_rolling_restart_loses_nothing(start_pod: StartPod) -> None:
    """SIGHUP replaces both workers, the new one first, and no request is lost meanwhile."""
    pod = start_pod(HELLO, "--workers", "2").ready()
    before = pids(pod)
    assert len(before) == 2
    load = Load(pod)
    load.start()
    pod.send(signal.SIGHUP)
    eventually(lambda: len(pids(pod)) == 2 and not pids(pod) & before, "both are new")
    load.stop()
    assert load.sent > 0
    assert load.lost == []
    assert pod.probe("/readyz")[0] == 200
    assert pod.stop() == 0


def test_a_new_version_that_does_not_start_changes_nothing(start_pod: StartPod) -> None:
    """If the successor fails to start, the old workers stay and the pod stays ready."""
    pod = start_pod(HELLO, "--workers", "2").ready()
    before = pids(pod)
    (pod.directory / "broken").touch()
    pod.send(signal.SIGHUP)
    assert "broken version" in pod.line("the new worker did not start")["message"]
    eventually(lambda: pids(pod) == before, "the old ones serve")
    assert pod.probe("/readyz")[0] == 200
    assert pod.stop() == 0


def test_recycling_by_requests(start_pod: StartPod) -> None:
    """A worker that served its number is replaced, without a lost request."""
    pod = start_pod(HELLO, "--max-requests", "20").ready()
    before = pids(pod)
    load = Load(pod)
    load.start()
    pod.line("it has served")
    eventually(lambda: pids(pod) and not pids(pod) & before, "replaced")
    load.stop()
    assert load.lost == []
    assert pod.stop() == 0


def test_recycling_by_memory(start_pod: StartPod) -> None:
    """A worker beyond its memory limit is replaced, and the log says how large it was."""
    pod = start_pod(HELLO, "--max-memory", "1Mi").ready()
    pod.line("MiB of memory")
    assert pod.stop() == 0


def test_a_silent_worker_among_several_is_killed(start_pod: StartPod) -> None:
    """A worker that stands still is replaced; the pod stays ready and live."""
    pod = start_pod(HELLO, "--workers", "2", "--stall-timeout", "2s").ready()
    victim = min(pids(pod))
    os.kill(victim, signal.SIGSTOP)
    pod.line(f"worker {victim} is silent for")
    eventually(lambda: len(pids(pod)) == 2 and victim not in pids(pod), "replaced")
    assert pod.probe("/livez")[0] == 200
    assert pod.stop() == 0


def test_a_single_silent_worker_fails_livez(start_pod: StartPod) -> None:
    """When the only worker stands still, livez asks the kubelet for a restart."""
    pod = start_pod(HELLO, "--stall-timeout", "1s").ready()
    os.kill(min(pids(pod)), signal.SIGSTOP)
    eventually(lambda: pod.probe("/livez")[0] == 503, "livez fails")
    assert pod.probe("/livez")[1]["reason"].startswith("stalled")


def test_no_worker_no_black_hole(start_pod: StartPod) -> None:
    """With the only worker dead and its successor not up, connections are refused, not kept."""
    pod = start_pod(HELLO).ready()
    port = pod.port
    (pod.directory / "broken").touch()
    with pytest.raises(OSError):
        pod.get("/die")
    eventually(pod.refuses, "refused")
    assert pod.probe("/readyz")[1]["failing"] == ["no-worker"]
    (pod.directory / "broken").unlink()
    eventually(lambda: pod.probe("/readyz")[0] == 200, "ready again")
    assert pod.get("/", port=port)[0] == 200
    assert pod.stop() == 0


def test_backoff_grows_and_forgets() -> None:
    """Deaths in a row wait longer and longer; a worker that lived long starts anew."""
    backoff = RestartBackoff()
    waits = [backoff.next(0) for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == 30
    assert backoff.next(3600) == 0.1


def test_throttling_explains_silence() -> None:
    """Half of the gap throttled excuses a worker; less does not."""
    throttling = Throttling()
    for second in range(11):
        throttling.sample(float(second), second * 0.6)
    assert throttling.explains(0, 10)
    assert throttling.within(2.5, 7.25) == pytest.approx(4.75 * 0.6)
    calm = Throttling()
    for second in range(11):
        calm.sample(float(second), second * 0.1)
    assert not calm.explains(0, 10)
    calm.sample(11.0, None)


@pytest.mark.parametrize(("text", "size"), [("512Mi", 2**29), ("1G", 10**9), ("7", 7)])
def test_sizes(text: str, size: int) -> None:
    """Kubernetes' units, binary and decimal."""
    assert parse_size(text) == size
    with pytest.raises(ValueError, match="512Mi"):
        parse_size(text + "m")
