"""Faults to survive: hooks and handlers that never end, wedged interpreters, readers that stall."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runtime.conftest import StartPod, eventually

pytestmark = pytest.mark.slow

TIGHT = ("--grace-period", "4s", "--hook-time", "1s")

HELLO = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


def test_a_handler_that_swallows_cancellation(start_pod: StartPod) -> None:
    """It is named and left behind; the process ends inside the grace period."""
    pod = start_pod(
        """
        import asyncio
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            while True:
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    pass
        """,
        *TIGHT,
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /immortal HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        assert pod.stop() == 0
    assert pod.line("still under way at the deadline")["stuck"]["title"] == "GET /immortal"


def test_a_lifespan_shutdown_that_never_returns(start_pod: StartPod) -> None:
    """It is cut when the hooks' time is over, and the hooks after it still run."""
    pod = start_pod(
        """
        import asyncio, podready
        @podready.on_shutdown("goodbye")
        def goodbye():
            print('{"severity": "INFO", "message": "goodbye"}', flush=True)
        async def app(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await asyncio.sleep(600)
        """,
        "--grace-period",
        "6s",
        "--hook-time",
        "2s",
    ).ready()
    assert pod.stop() == 0
    pod.line("lifespan shutdown did not end within")
    assert "goodbye" in pod.messages()


def test_an_interpreter_held_by_c_code(start_pod: StartPod) -> None:
    """While a C call holds the interpreter lock, the probes answer and SIGTERM ends the pod."""
    pod = start_pod(
        """
        import ctypes
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            ctypes.PyDLL(None).sleep(600)
        """,
        *TIGHT,
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /wedge HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0]["last_heartbeat"] > 1, "the worker is wedged")
        assert pod.probe("/livez")[0] == 200
        assert pod.stop() == 0
    pod.line("the grace period is nearly over")


def test_a_reader_of_stdout_that_stalls(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """With a full pipe nobody reads, requests and probes are answered, and SIGTERM ends it."""
    (tmp_path / "main.py").write_text(HELLO)
    ports = [str(port) for port in (free_port(), free_port())]
    argv = [sys.executable, "-m", "podready", "run", "main:app"]
    argv += ["--port", ports[0], "--admin-port", ports[1], *TIGHT]
    script = (
        "import http.client, sys\n"
        "for _ in range(1500):\n"
        f"    connection = http.client.HTTPConnection('127.0.0.1', {ports[0]}, timeout=20)\n"
        "    connection.request('GET', '/' + 'x' * 100)\n"
        "    assert connection.getresponse().read() == b'ok'\n"
        "    connection.close()\n"
        f"connection = http.client.HTTPConnection('127.0.0.1', {ports[1]}, timeout=20)\n"
        "connection.request('GET', '/readyz')\n"
        "assert connection.getresponse().status == 200\n"
    )
    with subprocess.Popen(
        argv, cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            eventually(lambda: _serves(int(ports[1])), "ready")
            subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_stalled_reader_takes_no_time_beyond_the_grace(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """The last lines are waited for only as long as the grace period has time left.

    Else the process would wait for ten minutes here, which is what makes the limit visible.
    """
    (tmp_path / "sitecustomize.py").write_text(
        "from podready.runtime.logs.log import Log\nLog.flush.__defaults__ = (600.0,)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    (tmp_path / "main.py").write_text(
        "import asyncio, podready\n"
        "@podready.on_shutdown('slow')\nasync def slow():\n    await asyncio.sleep(600)\n" + HELLO
    )
    ports = [str(port) for port in (free_port(), free_port())]
    argv = [sys.executable, "-m", "podready", "run", "main:app"]
    argv += ["--port", ports[0], "--admin-port", ports[1], *TIGHT]
    reading, writing = os.pipe()
    with subprocess.Popen(
        argv,
        cwd=tmp_path,
        stdout=writing,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            eventually(lambda: _serves(int(ports[1])), "ready")
            _fill(writing)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(reading)
            os.close(writing)


BACKWARDS = """
import time
now = [2_000_000_000.0]
def backwards():
    now[0] -= 3600
    return now[0]
time.time = backwards
time.time_ns = lambda: int(backwards() * 1e9)
"""


def test_a_clock_that_is_set_back(start_pod: StartPod, tmp_path: Path) -> None:
    """With a wall clock that jumps an hour back at each look, every deadline holds as before."""
    (tmp_path / "sitecustomize.py").write_text(BACKWARDS)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    pod = start_pod(
        """
        import asyncio, time, podready
        assert time.time() - time.time() == 3600  # else this test tests nothing
        @podready.check("again", critical=True, interval=0.05)
        def again(): ...
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            if scope["path"] == "/hang":
                await asyncio.sleep(600)
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        """,
        *TIGHT,
        "--drain-delay",
        "1s",
        PYTHONPATH=path,
    ).ready()
    assert pod.get("/")[2] == b"ok"
    with pod.connect() as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "it is in flight")
        begin = time.monotonic()
        pod.send(signal.SIGTERM)
        pod.phase("draining")
        assert pod.get("/")[2] == b"ok"
        assert pod.end() == 0
        assert time.monotonic() - begin > 1  # the drain delay was not cut short either
    stuck = pod.line("still under way at the deadline")["stuck"]
    assert 0 < stuck["age"] < 20


def test_sigterm_while_a_worker_restarts(start_pod: StartPod) -> None:
    """SIGTERM in the back-off after a worker's death ends the pod at once, with 0."""
    pod = start_pod(
        "import pathlib\nassert not pathlib.Path('broken').exists()\n" + HELLO, *TIGHT
    ).ready()
    (pod.directory / "broken").touch()
    os.kill(pod.workers()[0]["pid"], signal.SIGKILL)
    pod.line("a new one starts in 0.8s")
    assert pod.stop() == 0


def test_sigterm_while_a_replacement_imports(start_pod: StartPod) -> None:
    """A replacement that is still importing is stopped at once, not at the end of the grace."""
    pod = start_pod(
        "import pathlib, time\nif pathlib.Path('slow').exists(): time.sleep(600)\n" + HELLO,
        "--grace-period",
        "100s",
    ).ready()
    (pod.directory / "slow").touch()
    pod.send(signal.SIGHUP)
    eventually(lambda: "importing" in {each["stage"] for each in pod.workers()}, "importing")
    assert pod.stop() == 0
    assert "stopped after" in pod.log[-1]["message"]


@pytest.mark.parametrize("name", ["warmup", "on_shutdown", "check"])
def test_a_function_that_calls_exit(start_pod: StartPod, name: str) -> None:
    """sys.exit() in a warm-up ends the start; in a hook or a check it is a failure like others."""
    pod = start_pod(
        f"import sys, podready\n@podready.{name}('bad')\ndef bad():\n    sys.exit(5)\n" + HELLO,
        *TIGHT,
    )
    if name == "warmup":
        assert pod.end() == 3
        assert "warmup bad failed: ExitCalledError: it called sys.exit(5)" in pod.log[-1]["message"]
    else:
        pod.ready()
        assert pod.stop() == 0


def _fill(pipe: int) -> None:
    """Fill a pipe, as a log collector that died leaves it."""
    os.set_blocking(pipe, False)
    try:
        while True:
            os.write(pipe, b"x" * 4096)
    except BlockingIOError:
        pass


def _serves(admin: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=20)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_messages_that_the_supervisor_cannot_read(start_pod: StartPod) -> None:
    """A worker that writes what is no message: PID 1 says so by name, and goes on."""
    pod = start_pod(
        """
        import sys
        from podready.runtime.loop.messages import Drain

        frame = sys._getframe()
        while "start" not in frame.f_locals:  # the worker's own, which has started this import
            frame = frame.f_back
        channel = frame.f_locals["start"].channel

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            channel.sock.send(b'not json\\n{"kind":"Heartbeet"}\\n{"kind":"Stopped","cutt":1}\\n')
            channel.send(Drain())
            await send({"type": "http.response.start", "status": 200,
                        "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        """
    ).ready()
    worker = pod.workers()[0]["pid"]
    assert pod.get("/")[0] == 200
    for problem in (
        "sent an unreadable message: not JSON: b'not json'",
        "sent an unreadable message: unknown kind 'Heartbeet'",
        "sent an unreadable message: Stopped: unknown field 'cutt'",
        "sent a message that is not expected from it: Drain",
    ):
        assert pod.line(f"worker {worker} {problem}")["severity"] == "ERROR"
    assert pod.probe("/readyz")[0] == 200
    assert pod.stop() == 0
