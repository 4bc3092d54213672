"""An app in a child process: a good one passes, each way to lose a request fails by its name."""

from __future__ import annotations

import asyncio
import socket
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podready.errors import StartupError
from podready.testing import RunApp, RunningApp
from podready.testing import run_app as run_app_until_end_of_block

Start = Callable[..., RunningApp]

pytestmark = pytest.mark.slow

APP = """
    import asyncio, os, signal
    import podready
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    async def home(request):
        return PlainTextResponse("hello")

    async def echo(request):
        return PlainTextResponse(await request.body())

    async def slow(request):
        await asyncio.sleep(0.5)
        return PlainTextResponse("done")

    async def forever(request):
        await asyncio.sleep(60)

    async def until_told(request):
        while not podready.shutting_down():
            await asyncio.sleep(0.01)
        {then}

    app = Starlette(routes=[
        Route("/", home),
        Route("/echo", echo, methods=["POST"]),
        Route("/slow", slow),
        Route("/forever", forever),
        Route("/until-told", until_told),
    ])
"""


@pytest.fixture
def start(run_app: RunApp, tmp_path: Path) -> Start:
    """Run the app above; `then` is what /until-told does once the drain has begun."""

    def run(*, then: str = "return PlainTextResponse('told')", **options: Any) -> RunningApp:
        source = textwrap.dedent(APP).replace("{then}", then)
        (tmp_path / "main.py").write_text(source, encoding="utf-8")
        return run_app("main:app", cwd=tmp_path, **options)

    return run


def test_a_good_app_loses_nothing(start: Start) -> None:
    """A slow request across SIGTERM, and two clients that send until the drain delay is over."""
    app = start()
    pending = app.start("/slow")
    app.keep_requesting("/")
    assert app.drain() == 0
    assert pending.response().text == "done"
    app.assert_no_request_lost()


def test_requests_probes_and_logs(start: Start) -> None:
    """What a test asks the app, the admin port and the log."""
    app = start()
    assert app.get("/").text == "hello"
    assert app.post("/echo", b"ping").body == b"ping"
    assert app.request("GET", "/no-such-page", expect=404).status == 404
    assert app.probe("/readyz").json() == {"status": "ok", "phase": "ready"}
    assert app.probe("/livez").status == 200
    app.begin_drain()
    assert app.get("/").headers["connection"] == "close"
    assert app.wait_stopped() == 0
    assert [line["message"] for line in app.logs if "GET /echo" in str(line)] == []
    assert "SIGTERM: draining" in app.output
    app.assert_no_request_lost()


async def test_an_async_test_can_use_it(start: Start) -> None:
    """Nothing needs the test's own event loop, and a blocking call can go to a thread."""
    app = start()
    pending = app.start("/until-told")
    code = await asyncio.to_thread(app.drain)
    assert (code, pending.response().status) == (0, 200)
    app.assert_no_request_lost()


def fails(app: RunningApp) -> str:
    """Return the message of the assertion, which must fail."""
    with pytest.raises(AssertionError) as error:
        app.assert_no_request_lost()
    return str(error.value)


def test_an_app_that_raises_in_the_drain_fails(start: Start) -> None:
    """A 500 is an answer, but not the one that the client came for."""
    app = start(then="raise RuntimeError('the pool is closed')")
    app.start("/until-told")
    app.drain()
    report = fails(app)
    assert report.startswith("1 of 1 requests were lost:\n  GET /until-told, sent ")
    assert "the app answered 500" in report
    assert "the pool is closed" in report


def test_a_worker_that_kills_itself_fails(start: Start) -> None:
    """Its clients' connections are gone, and the log says which signal it was."""
    app = start(then="os.kill(os.getpid(), signal.SIGKILL)")
    app.start("/until-told")
    app.drain()
    report = fails(app)
    assert "GET /until-told" in report
    assert "the connection was closed without an answer" in report
    assert "SIGKILL" in report


def test_a_supervisor_that_is_killed_fails(start: Start) -> None:
    """The end of the process is named."""
    app = start(then="os.kill(os.getppid(), signal.SIGKILL); await asyncio.sleep(60)")
    app.start("/until-told", timeout=20)
    app.drain()
    assert "the app was killed by SIGKILL" in fails(app)


def test_work_that_outlives_its_time_fails_with_its_line(start: Start) -> None:
    """`podready run` cuts it and says where it was; so does the assertion."""
    app = start(grace_period=3.0, args=["--hook-time", "500ms"])
    app.start("/forever")
    assert app.drain() == 0
    report = fails(app)
    assert "GET /forever" in report
    assert "the app had no time left and was at " in report
    assert "main.py:" in report


def test_a_server_that_closes_its_listener_at_once_fails(run_app: RunApp, tmp_path: Path) -> None:
    """Plain uvicorn: refused before the end of the drain delay."""
    (tmp_path / "main.py").write_text(textwrap.dedent(APP).replace("{then}", "pass"))
    app = run_app([sys.executable, "-m", "uvicorn", "--port", "{port}", "main:app"], cwd=tmp_path)
    app.start("/slow")
    app.keep_requesting("/")
    app.drain()
    report = fails(app)
    assert "connection refused at +" in report
    assert "the app must accept until +0.50 s (the drain delay)" in report


def test_an_app_that_does_not_end_is_killed_and_fails(run_app: RunApp, tmp_path: Path) -> None:
    """A server that ignores SIGTERM: the kubelet would kill it, and so does the test."""
    (tmp_path / "server.py").write_text(
        "import signal, sys\n"
        "from http.server import HTTPServer, SimpleHTTPRequestHandler\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "HTTPServer(('127.0.0.1', int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()\n"
    )
    app = run_app([sys.executable, "server.py", "{port}"], cwd=tmp_path, grace_period=1.0)
    app.keep_requesting("/")
    assert app.drain() == -9
    assert "did not end within its grace period of 1 s and was killed" in fails(app)


def test_a_test_that_proves_nothing_fails(start: Start) -> None:
    """No drain, or no request across it."""
    app = start()
    app.get("/")
    assert fails(app) == "the app was not asked to stop: call drain() first"
    app.drain()
    assert fails(app).startswith("no request was in flight at SIGTERM or sent after it")


def test_an_app_that_does_not_start_says_why(run_app: RunApp, tmp_path: Path) -> None:
    """The error has the last lines of its output."""
    (tmp_path / "main.py").write_text("raise ValueError('no such colour')\n")
    with pytest.raises(StartupError, match=r"main:app ended with exit code 3 before it was ready"):
        run_app("main:app", cwd=tmp_path)
    with pytest.raises(StartupError, match="no such colour"):
        run_app("main:app", cwd=tmp_path)


def test_an_app_that_never_gets_ready_is_given_up(run_app: RunApp, tmp_path: Path) -> None:
    """After `startup_timeout`; nothing of it is left."""
    (tmp_path / "main.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(StartupError, match=r"main:app was not ready within 1 s"):
        run_app("main:app", cwd=tmp_path, startup_timeout=1.0)


def test_nothing_is_left_after_the_block(tmp_path: Path) -> None:
    """An exception in the block ends the app, its worker and the clients, drained or not."""
    source = textwrap.dedent(APP).replace("{then}", "pass")
    (tmp_path / "main.py").write_text(source, encoding="utf-8")
    threads = set(threading.enumerate())

    def test_that_fails() -> None:
        with run_app_until_end_of_block("main:app", cwd=tmp_path) as app:
            apps.append(app)
            app.start("/forever")
            app.keep_requesting("/")
            raise ZeroDivisionError

    apps: list[RunningApp] = []
    with pytest.raises(ZeroDivisionError):
        test_that_fails()
    for port in (apps[0].port, apps[0].admin_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert set(threading.enumerate()) <= threads
