"""Signals at awkward moments, and the supervisor as PID 1 of a namespace of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.runtime.conftest import Pod, StartPod, eventually

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path

HELLO = """
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
"""


def _namespace() -> list[str]:
    """Return the command that gives a PID namespace here, or skip saying why there is none."""
    for command in (["unshare", "-pf", "--mount-proc"], ["unshare", "-Urpf", "--mount-proc"]):
        if shutil.which("unshare") is None:
            break
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return [*command, "--kill-child"]
    pytest.skip("this kernel lets us make no PID namespace")


def test_pid_1_handles_sigterm_and_reaps_orphans(start_pod: StartPod) -> None:
    """As PID 1 the supervisor gets SIGTERM, reaps what others leave, and exits 0."""
    pod = start_pod(
        """
        import subprocess
        # A grandchild whose parent ends at once: only PID 1 can collect it.
        subprocess.run(["sh", "-c", "sleep 0.2 & echo"], stdout=subprocess.DEVNULL)
        def zombies():
            listing = subprocess.run(["ps", "-eo", "stat,comm"], capture_output=True, text=True)
            return sum(line.startswith("Z") for line in listing.stdout.splitlines())
        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"%d" % zombies()]
        """,
        prefix=_namespace(),
    ).ready()
    assert pod.line("starting ")["pid"] == 1
    eventually(lambda: pod.get("/")[2] == b"0", "no zombie is left")
    inside = subprocess.run(
        ["pgrep", "-P", str(pod.process.pid)], capture_output=True, text=True, check=True
    )
    subprocess.run(["kill", "-TERM", inside.stdout.split()[0]], check=True)
    assert pod.end() == 0
    pod.line("stopped after")


@pytest.mark.parametrize("attempt", range(10))
def test_sigterm_at_any_moment_of_the_start(start_pod: StartPod, attempt: int) -> None:
    """Wherever in the start SIGTERM falls, the process ends with 0 and says so."""
    pod = start_pod(HELLO)
    pod.line("starting ")
    eventually(lambda: pod.probe("/startupz")[1]["elapsed"] > attempt * 0.03, "that moment")
    assert pod.stop() == 0
    pod.line("stopped after")


STAGES = {
    "importing": "import time; time.sleep(600)\n",
    "lifespan": "",
    "warmup slow": "import podready\n@podready.warmup('slow')\nasync def slow():\n"
    "    import asyncio; await asyncio.sleep(600)\n",
}
LIFESPAN = """
async def app(scope, receive, send):
    import asyncio
    if scope["type"] == "lifespan":
        await receive()
        await asyncio.sleep(600 if %r else 0)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
"""


@pytest.mark.parametrize("stage", STAGES)
def test_ten_sigterms_in_each_stage_of_the_start(start_pod: StartPod, stage: str) -> None:
    """However many signals come while it starts, the process ends with 0 and no error."""
    pod = start_pod(STAGES[stage] + LIFESPAN % (stage == "lifespan"))
    eventually(lambda: pod.probe("/startupz")[1]["stage"] == stage, f"stage {stage}")
    _send_ten(pod)
    assert pod.end() == 0
    pod.line("stopped after")
    assert not pod.errors()


def test_ten_sigterms_while_a_worker_restarts(start_pod: StartPod) -> None:
    """The same while a worker is replaced: the old one serves, the new one imports."""
    pod = start_pod(
        "import pathlib, time\nif pathlib.Path('slow').exists(): time.sleep(600)\n" + HELLO
    ).ready()
    (pod.directory / "slow").touch()
    pod.send(signal.SIGHUP)
    eventually(lambda: "importing" in {each["stage"] for each in pod.workers()}, "importing")
    _send_ten(pod)
    assert pod.end() == 0
    assert not pod.errors()


@pytest.mark.parametrize("attempt", range(10))
def test_sigterm_right_after_the_first_answer(start_pod: StartPod, attempt: int) -> None:
    """Between "listening" and "ready" a pod has work to finish: it is, and hooks run."""
    pod = start_pod(
        "import podready\n@podready.on_shutdown('end')\ndef end():\n"
        """    print('{"severity": "INFO", "message": "hook ran"}', flush=True)\n""" + HELLO
    )
    eventually(lambda: not pod.refuses(), "it listens")
    with pod.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        pod.send(signal.SIGTERM)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    assert answer.endswith(b"hello")
    assert pod.end() == 0
    assert "hook ran" in pod.messages()
    assert not pod.errors()


def _send_ten(pod: Pod) -> None:
    """Send ten SIGTERMs, each at an own moment; the process may be gone before the last."""
    for _ in range(10):
        pod.send(signal.SIGTERM)
        time.sleep(0.01)


def test_a_storm_of_signals(start_pod: StartPod) -> None:
    """Ten SIGTERMs at once cut what is in flight and still end with 0."""
    pod = start_pod(HELLO, "--drain-delay", "5s", "--grace-period", "30s").ready()
    with pod.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        for _ in range(10):
            pod.send(signal.SIGTERM)
        assert pod.end() == 0


def test_a_signal_to_the_whole_group(start_pod: StartPod) -> None:
    """Ctrl-C reaches the workers too; they leave the decision to the supervisor."""
    pod = start_pod(HELLO, "--grace-period", "20s").ready()
    with pod.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        os.killpg(pod.process.pid, signal.SIGINT)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    assert answer.endswith(b"hello")
    assert pod.end() == 0


def test_the_worker_does_not_outlive_its_supervisor(start_pod: StartPod) -> None:
    """If the supervisor is killed, the worker stops by itself."""
    pod = start_pod(HELLO).ready()
    worker = pod.workers()[0]["pid"]
    pod.process.kill()
    eventually(lambda: not _runs(worker), "the worker is gone")


def test_children_of_the_app_get_default_signals(start_pod: StartPod) -> None:
    """A process that the app starts can be ended by SIGTERM as usual."""
    pod = start_pod(
        """
        import subprocess
        def app(environ, start_response):
            child = subprocess.Popen(["sleep", "60"])
            child.terminate()
            start_response("200 OK", [])
            return [b"%d" % child.wait(10)]
        """
    ).ready()
    assert pod.get("/")[2] == b"-15"


def test_stdout_closed(tmp_path: Path) -> None:
    """A pod whose reader of stdout is gone starts, stops and exits 0 all the same."""
    (tmp_path / "main.py").write_text(HELLO)
    argv = [sys.executable, "-m", "podready", "run", "main:app", "--port", "0"]
    with subprocess.Popen(
        [*argv, "--admin-port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert b"starting " in process.stdout.readline()
        process.stdout.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
