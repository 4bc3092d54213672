"""`podready run` from the outside: start, probes, stop, exit codes, with real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.runtime.conftest import StartPod, eventually

pytestmark = pytest.mark.slow

HELLO = """
import asyncio

async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})
"""

WSGI = """
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""


@pytest.mark.parametrize("source", [HELLO, WSGI], ids=["asgi", "wsgi"])
def test_serves_and_stops(start_pod: StartPod, source: str) -> None:
    """An app is served, and on SIGTERM the process ends with exit code 0."""
    pod = start_pod(source).ready()
    assert pod.get("/")[0::2] == (200, b"hello")
    assert pod.stop() == 0
    assert not pod.noise


@pytest.mark.parametrize("source", [HELLO, WSGI], ids=["asgi", "wsgi"])
def test_a_request_in_flight_is_finished(start_pod: StartPod, source: str) -> None:
    """A request under way when SIGTERM comes is answered, and only then the process ends."""
    pod = start_pod(source).ready()
    with pod.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        pod.send(signal.SIGTERM)
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"hello")
    assert pod.end() == 0


@pytest.mark.parametrize("source", [HELLO, WSGI], ids=["asgi", "wsgi"])
def test_drain_accepts_and_says_close(start_pod: StartPod, source: str) -> None:
    """During the drain delay new and kept-alive connections are served, told to close."""
    pod = start_pod(source, "--drain-delay", "3s", "--grace-period", "20s").ready()
    with pod.connect() as kept:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first = kept.recv(65536)
        assert b"connection: close" not in first.lower()
        pod.send(signal.SIGTERM)
        pod.phase("draining")
        assert pod.probe("/readyz")[0] == 503
        assert pod.probe("/livez")[0] == 200
        status, headers, body = pod.get("/")
        assert (status, headers.get("connection"), body) == (200, "close", b"hello")
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"connection: close" in read_all(kept).lower()
    assert pod.end() == 0


def test_after_the_drain_connections_are_refused(start_pod: StartPod) -> None:
    """Once closing, the port refuses at once instead of accepting into a queue nobody reads."""
    pod = start_pod(HELLO, "--grace-period", "20s").ready()
    with pod.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        pod.send(signal.SIGTERM)
        eventually(pod.refuses, "new connections are refused")
        assert read_all(client).endswith(b"hello")
    assert pod.end() == 0


def test_probes_answer_before_the_app_is_imported(start_pod: StartPod, tmp_path: Path) -> None:
    """While the app is being imported, livez is 200, startupz and readyz 503, the port refuses."""
    gate = tmp_path / "gate"
    pod = start_pod(
        f"import time, pathlib\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        + HELLO
    )
    eventually(lambda: pod.probe("/startupz")[1]["stage"] == "importing", "importing")
    assert pod.probe("/livez")[0] == 200
    assert pod.probe("/startupz")[0] == 503
    assert pod.probe("/readyz")[0] == 503
    assert pod.refuses()
    gate.touch()
    pod.ready()
    assert pod.probe("/startupz")[0] == 200
    assert pod.stop() == 0


def test_head_and_unknown_paths(start_pod: StartPod) -> None:
    """HEAD gives the status without a body; other paths are 404, other methods 405."""
    pod = start_pod(HELLO).ready()
    assert pod.probe("/livez", method="HEAD") == (200, b"")
    assert pod.probe("/nope")[0] == 404
    assert pod.probe("/livez", method="POST")[0] == 405


def test_sigterm_while_importing(start_pod: StartPod) -> None:
    """SIGTERM during a slow import ends the process at once, with exit code 0."""
    pod = start_pod("import time\ntime.sleep(60)\n" + HELLO)
    eventually(lambda: pod.probe("/startupz")[1]["stage"] == "importing", "importing")
    assert pod.stop() == 0


def test_sigterm_while_an_import_holds_the_lock(start_pod: StartPod) -> None:
    """An import that ignores the signal is killed after two seconds; the exit code stays 0."""
    pod = start_pod(
        """
        import time
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
        """
    )
    eventually(lambda: pod.probe("/startupz")[1]["stage"] == "importing", "importing")
    assert pod.stop() == 0
    assert "killing it" in pod.line("did not stop within")["message"]


def test_sigterm_in_lifespan_startup(start_pod: StartPod) -> None:
    """SIGTERM while the lifespan starts up cancels it and ends with exit code 0."""
    pod = start_pod(
        """
        import asyncio
        async def app(scope, receive, send):
            await receive()
            await asyncio.sleep(60)
        """
    )
    eventually(lambda: pod.probe("/startupz")[1]["stage"] == "lifespan", "lifespan")
    assert pod.stop() == 0


SETTINGS = "from podready.errors import SettingsError\n"


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("1 / 0\n", 3, ["importing 'main' failed at", "main.py:1", "ZeroDivisionError"]),
        ("import nosuchmodule\n", 3, ["main.py:1", "nosuchmodule"]),
        ("def f(:\n", 3, ["main.py:1", "SyntaxError"]),
        ("other = 1\n", 2, ["has no attribute 'app'"]),
        ("app = 7\n", 3, ["is an int, not an ASGI or WSGI app"]),
        ("raise SystemExit(78)\n", 78, ["the app ended itself with exit code 78"]),
        ("raise SystemExit('no key')\n", 3, ["the app ended itself: no key"]),
        (
            SETTINGS + "raise SettingsError('SECRET_KEY unset')\n",
            78,
            ["SECRET_KEY unset"],
        ),
        (
            SETTINGS
            + "async def app(scope, receive, send):\n"
            + "    await receive()\n    raise SettingsError('SECRET_KEY unset')\n",
            78,
            ["SECRET_KEY unset"],
        ),
        ("import os\nos.kill(os.getpid(), 9)\n", 3, ["was killed by SIGKILL during start-up"]),
    ],
)
def test_an_app_that_cannot_start(
    start_pod: StartPod, tmp_path: Path, source: str, code: int, words: list[str]
) -> None:
    """Each way to fail at import is one exit code and one sentence, logged and left behind."""
    note = tmp_path / "termination"
    pod = start_pod(source, PODREADY_TERMINATION_LOG=str(note))
    assert pod.end() == code
    last = pod.log[-1]
    assert last["severity"] == "CRITICAL"
    assert all(word in last["message"] for word in words)
    assert "Traceback" not in last["message"]
    assert not pod.noise
    assert last["message"] in note.read_text()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ValueError('x' * 3_000_000)\n", ["main.py:1", "characters left out"]),
        ("raise SystemExit('x' * 3_000_000)\n", ["the app ended itself", "characters left out"]),
        (
            "class Odd(Exception):\n    def __str__(self):\n        raise OSError\nraise Odd\n",
            ["main.py:4", "Odd"],
        ),
    ],
)
def test_a_reason_of_any_size_and_shape_is_told(
    start_pod: StartPod, source: str, words: list[str]
) -> None:
    """A payload of megabytes in an error does not keep its kind and place from the log."""
    pod = start_pod(source)
    assert pod.end() == 3
    assert all(word in pod.log[-1]["message"] for word in words)


def test_no_password_in_the_termination_message(start_pod: StartPod, tmp_path: Path) -> None:
    """The pod's status is shown to more people than its log."""
    note = tmp_path / "termination"
    source = "raise ValueError('no answer from postgres://app:hunter2@db/shop')\n"
    pod = start_pod(source, PODREADY_TERMINATION_LOG=str(note))
    assert pod.end() == 3
    assert "postgres://app:[redacted]@db/shop" in note.read_text()
    assert "hunter2" not in note.read_text() + str(pod.log)


def test_a_missing_module(start_pod: StartPod) -> None:
    """A module that is not there is named with the directory it was looked for in."""
    pod = start_pod(HELLO, target="nothere:app")
    assert pod.end() == 2
    assert "there is no module 'nothere' in" in pod.log[-1]["message"]


def test_lifespan_that_fails(start_pod: StartPod) -> None:
    """A lifespan start-up that raises ends with exit code 3 and the error's words."""
    pod = start_pod(
        """
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                raise RuntimeError("no database")
        """
    )
    assert pod.end() == 3
    assert "lifespan start-up failed: RuntimeError: no database" in pod.log[-1]["message"]


def test_start_takes_too_long(start_pod: StartPod) -> None:
    """A start beyond the limit is given up with exit code 3 and the stage it hung in."""
    pod = start_pod("import time\ntime.sleep(60)\n" + HELLO, "--startup-timeout", "300ms")
    assert pod.end() == 3
    told = pod.log[-1]["message"]
    assert re.fullmatch(r"not ready within 0.3s \(startup phase: (forked|importing)\)", told)


@pytest.mark.parametrize("flag", ["--port", "--admin-port"])
def test_a_port_that_is_taken(start_pod: StartPod, flag: str) -> None:
    """A taken port is one sentence that names it, and exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        pod = start_pod(HELLO, flag, str(port))
        assert pod.end() == 3
    assert pod.noise == [
        f"podready: port {port} is taken by another process; stop it or choose another {flag}\n"
    ]


def test_a_worker_that_dies_is_replaced(start_pod: StartPod) -> None:
    """A worker killed from outside is replaced; readyz is honest meanwhile, livez stays 200."""
    pod = start_pod(HELLO).ready()
    before = pod.workers()[0]["pid"]
    os.kill(before, signal.SIGKILL)
    pod.line("was killed by SIGKILL; a new one starts")
    eventually(
        lambda: pod.probe("/readyz")[0] == 200 and pod.workers()[0]["pid"] != before, "replaced"
    )
    assert pod.get("/")[0] == 200
    assert pod.stop() == 0


def test_interrupt_stops_without_delay(start_pod: StartPod) -> None:
    """Ctrl-C skips the drain delay, which exists for endpoint lists only."""
    pod = start_pod(HELLO, "--drain-delay", "10m", "--grace-period", "20m").ready()
    pod.send(signal.SIGINT)
    assert pod.end() == 0


def test_a_second_sigterm_ends_the_drain(start_pod: StartPod) -> None:
    """The second SIGTERM goes to closing, the third cuts what is in flight."""
    pod = start_pod(
        """
        import asyncio
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await asyncio.sleep(600)
        """,
        "--drain-delay",
        "60s",
        "--grace-period",
        "120s",
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        pod.send(signal.SIGTERM)
        pod.phase("draining")
        pod.send(signal.SIGTERM)
        pod.phase("closing")
        pod.send(signal.SIGTERM)
        assert pod.end() == 0
    stuck = pod.line("still under way at the deadline")["stuck"]
    assert stuck["title"] == "GET /never"
    assert "main.py:5 in app" in stuck["at"]


def test_work_cut_at_the_deadline(start_pod: StartPod, tmp_path: Path) -> None:
    """A handler that never returns is named with its line and cut inside the grace period."""
    pod = start_pod(
        """
        import asyncio
        async def wait_for_ever():
            await asyncio.sleep(600)
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await wait_for_ever()
        """,
        "--grace-period",
        "4s",
        "--hook-time",
        "1s",
        "--strict-exit",
        PODREADY_TERMINATION_LOG=str(tmp_path / "termination"),
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /never HTTP/1.1\r\nHost: x\r\nX-Request-ID: abc-1\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        pod.send(signal.SIGTERM)
        assert pod.end() == 70
    stuck = pod.line("still under way at the deadline")["stuck"]
    assert stuck["request_id"] == "abc-1"
    assert "cut: GET /never, " in (tmp_path / "termination").read_text()
    assert "main.py:4 in wait_for_ever" in stuck["at"]


def test_a_stuck_thread_does_not_keep_the_process(start_pod: StartPod) -> None:
    """A WSGI handler that never returns is named with its line; the process ends in time."""
    pod = start_pod(
        """
        import time
        def app(environ, start_response):
            time.sleep(600)
        """,
        "--grace-period",
        "4s",
        "--hook-time",
        "1s",
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: pod.workers()[0].get("inflight") == 1, "the request is in flight")
        pod.send(signal.SIGTERM)
        assert pod.end() == 0
    assert "main.py:4 in app" in pod.line("still under way at the deadline")["stuck"]["at"]


def test_hooks_run_in_reverse_order(start_pod: StartPod) -> None:
    """Lifespan shutdown, then hooks, last registered first; one that fails or hangs is skipped."""
    pod = start_pod(
        """
        import asyncio, logging, podready
        log = logging.getLogger("app")

        @podready.on_shutdown("first")
        def first():
            log.info("hook first")

        @podready.on_shutdown("hangs", timeout=0.2)
        async def hangs():
            await asyncio.sleep(600)

        @podready.on_shutdown("fails")
        def fails():
            raise ValueError("no")

        @podready.on_shutdown("last")
        async def last():
            log.info("hook last")

        async def app(scope, receive, send):
            while scope["type"] == "lifespan":
                event = await receive()
                log.info("lifespan %s", event["type"])
                await send({"type": event["type"] + ".complete"})
        """
    ).ready()
    assert pod.stop() == 0
    told = [each for each in pod.messages() if each.startswith(("hook", "lifespan "))]
    assert told == [
        "lifespan lifespan.startup",
        "lifespan lifespan.shutdown",
        "hook last",
        "hook 'fails' failed",
        "hook 'hangs' did not end within 0.2 s and was cut",
        "hook first",
    ]


def test_pod_header_is_answered_only_when_asked(start_pod: StartPod) -> None:
    """The pod names itself to a rehearsal, and to nobody else."""
    pod = start_pod(HELLO, HOSTNAME="web-7").ready()
    assert "x-podready-pod" not in pod.get("/")[1]
    assert pod.get("/", headers={"x-podready-pod": "?"})[1]["x-podready-pod"] == "web-7"


def test_no_module_of_the_tools_is_loaded(tmp_path: Path) -> None:
    """The supervisor loads neither asyncio, click nor any of the tools."""
    code = (
        "import sys\n"
        "from podready.cli import main, run\n"
        "heavy = {'asyncio', 'click', 'ssl', 'uvicorn', 'logging', 'rich', 'aiohttp'}\n"
        "print(sorted(name for name in sys.modules if name in heavy or name.startswith(\n"
        "    ('podready.kube', 'podready.cluster', 'podready.rehearse'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]"


def read_all(client: socket.socket) -> bytes:
    """Read until the peer closes."""
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data
