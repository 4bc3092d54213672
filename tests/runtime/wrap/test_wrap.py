"""`podready.wrap` under servers of one's own: each a real process with real signals."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import flask
import pytest
from tests.runtime.conftest import eventually
from tests.runtime.wrap.server import ASGI_SERVERS, SERVERS, WSGI_SERVERS, Server, Start
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from podready.errors import StartupError
from podready.runtime.process import Runtime
from podready.runtime.requests.inflight import CURRENT
from podready.runtime.run_config import RunConfig
from podready.runtime.wrap.runtime import InProcess
from podready.runtime.wrap.wrap import wrap_in

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", SERVERS)
def test_it_serves_through_the_drain_delay(start: Start, name: str) -> None:
    """After SIGTERM it is not ready, yet accepts and answers, and tells each client to go."""
    server = start(SERVERS[name], PODREADY_DRAIN_DELAY="100s").ready()
    if name != "gunicorn sync":  # which never keeps a connection
        assert answered(server.get("/"))[1].get("connection") != "close"
    server.terminate()
    server.draining()
    assert server.probe("/livez")[0] == 200
    # The arbiter of a preloaded app drains a moment before its workers.
    told = eventually(lambda: _told(server), f"told to close: {server.log}")
    assert told == (200, "close")


def _told(server: Server) -> tuple[int, str | None] | None:
    status, headers, body = answered(server.get("/"))
    return (status, headers.get("connection")) if body == b"told" else None


@pytest.mark.parametrize("name", SERVERS)
def test_it_ends_by_itself_and_cuts_nothing(start: Start, name: str) -> None:
    """A request that outlives the drain delay is answered, and then the server ends."""
    server = start(SERVERS[name], PODREADY_DRAIN_DELAY="100ms").ready()
    with closing(server.wait()) as client:
        server.terminate()
        # The arbiter of a preloaded app has nothing to wait for, and it answers the probes.
        phase = "draining" if "--preload" in name else "closing"
        eventually(
            lambda: server.probe("/livez")[1].get("phase") == phase, f"{phase}: {server.log}"
        )
        (server.folder / "go").touch()
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.read()) == (200, b"told")
    assert server.end() in ({0, -signal.SIGTERM} if name.startswith("uvicorn") else {0})


@pytest.mark.parametrize("name", SERVERS)
def test_an_event_stream_is_ended_between_two_events(start: Start, name: str) -> None:
    """An SSE client that stays for ever gets a clean end, and does not keep the server up."""
    server = start(SERVERS[name], PODREADY_DRAIN_DELAY="100ms").ready()
    with closing(server.send("/events")) as client:
        answer = http.client.HTTPResponse(client)
        answer.begin()
        server.terminate()
        assert answer.read().endswith(b"data: x\n\n")  # IncompleteRead if it was cut
    server.end()


@pytest.mark.parametrize("name", ASGI_SERVERS)
def test_a_websocket_is_closed_with_1012(start: Start, name: str) -> None:
    """Service restart: the client may come back, to another pod."""
    server = start(SERVERS[name], PODREADY_DRAIN_DELAY="100ms").ready()
    with connect(f"ws://127.0.0.1:{server.port}/") as client:
        assert client.recv(20) == "hello"
        server.terminate()
        with pytest.raises(ConnectionClosed):
            client.recv(20)
        assert client.close_code == 1012
    server.end()


def test_what_hangs_is_named_and_cut_at_the_deadline(start: Start) -> None:
    """uvicorn itself would wait for ever for a request that never ends."""
    environ = {"PODREADY_GRACE_PERIOD": "3s", "PODREADY_HOOK_TIME": "500ms"}
    server = start(ASGI_SERVERS["uvicorn"], PODREADY_DRAIN_DELAY="100ms", **environ).ready()
    with closing(server.wait()):
        server.terminate()
        server.end()
    assert "still under way at the deadline, cutting it: GET /wait" in server.log
    assert "apps.py" in server.log


def test_the_second_signal_hurries(start: Start) -> None:
    """A second SIGTERM means that nobody wants to wait."""
    server = start(ASGI_SERVERS["uvicorn"], PODREADY_DRAIN_DELAY="100s").ready()
    server.terminate()
    server.draining()
    server.terminate()
    server.end()


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn without lifespan", "gunicorn gthread"])
def test_checks_decide_as_under_podready_run(start: Start, name: str) -> None:
    """A critical check runs on the app's loop, or on a thread where there is none."""
    server = start(SERVERS[name], PODREADY_TEST_CHECK="1")
    eventually(
        lambda: server.probe("/readyz")[1].get("failing") == ["file"], f"failing: {server.log}"
    )
    (server.folder / "file").touch()
    server.ready()


def test_liveness_fails_once_the_loop_has_stood_still_for_too_long(start: Start) -> None:
    """The thread answers while the loop is blocked, and says so after the stall timeout."""
    server = start(ASGI_SERVERS["uvicorn"], PODREADY_STALL_TIMEOUT="1s").ready()
    with closing(server.send("/block")):
        eventually(lambda: server.probe("/livez")[0] == 503, f"stalled: {server.log}")
        assert server.probe("/livez")[1]["reason"].startswith("stalled")
        (server.folder / "go").touch()
        eventually(lambda: server.probe("/livez")[0] == 200, f"alive again: {server.log}")


def test_probes_move_to_the_next_worker(start: Start) -> None:
    """The worker that answered them dies: another of the same server takes the port."""
    server = start(WSGI_SERVERS["gunicorn sync"]).ready()
    first = server.probe("/readyz?verbose")[1]["details"]["pid"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: _pid(server) not in {None, first}, f"another one answers: {server.log}")


def _pid(server: Server) -> int | None:
    pid = server.probe("/readyz?verbose")[1].get("details", {}).get("pid")
    return None if pid is None else int(pid)


def test_settings_that_do_not_fit_end_the_import(start: Start) -> None:
    """The same sentence as under podready run, by the name of who reads them, and exit code 78."""
    server = start(ASGI_SERVERS["uvicorn"], PODREADY_GRACE_PERIOD="2s")
    assert server.end() == 78
    assert "podready.wrap cannot use these settings" in server.log
    assert "the grace period does not fit" in server.log


def answered(
    answer: tuple[int, dict[str, str], bytes] | None,
) -> tuple[int, dict[str, str], bytes]:
    """Return the answer, which must be there."""
    assert answer is not None
    return answer


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    """A process whose thread does not run."""
    one = InProcess(Runtime(), RunConfig(app="x", access_log=False), asgi=False, logs=False)
    monkeypatch.setattr(one, "_pid", os.getpid())
    one.runtime.wrapped = one
    yield one
    CURRENT.set(None)  # a failure's stays, for the line that its server writes next


def call(app: Any, path: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Call a WSGI app once."""
    told: list[Any] = []
    chunks = app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda *said: told.extend(said))
    body = b"".join(chunks)
    getattr(chunks, "close", lambda: None)()
    return told[0], told[1], body


def test_wsgi_answers_are_counted_and_marked(process: InProcess) -> None:
    """Work is in flight until the server closes the answer; draining, each answer says close."""

    def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Connection", "keep-alive")])
        assert process.runtime.in_flight.count() == 1
        return [b"hello"]

    app = wrap_in(process.runtime, hello)
    assert call(app, "/") == ("200 OK", [("Connection", "keep-alive")], b"hello")
    process.draining = True
    assert call(app, "/")[1] == [("Connection", "close")]
    assert call(app, "/readyz")[2] == b"hello"
    assert process.runtime.in_flight.count() == 0


def test_probes_on_the_main_port_on_request(process: InProcess) -> None:
    """Where no second port can be had, the probes stand before the app."""

    def nothing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise AssertionError

    app = wrap_in(process.runtime, nothing, probes_on_main_port=True)
    assert call(app, "/livez")[0] == "200 OK"
    process.draining = True
    assert call(app, "/readyz")[0] == "503 Service Unavailable"


def test_an_app_that_fails_is_counted_out(process: InProcess) -> None:
    """An exception before the answer leaves nothing in flight."""

    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(wrap_in(process.runtime, broken), "/")
    assert process.runtime.in_flight.count() == 0


def test_under_podready_run_it_is_the_app_itself() -> None:
    """Under `podready run` nothing is wrapped twice."""
    runtime = Runtime()
    runtime.managed = True

    def app(environ: object, start_response: object) -> None: ...

    assert wrap_in(runtime, app) is app


def test_a_line_before_the_app_is_wrapped_does_not_keep_its_log_from_us() -> None:
    """Only an app that has configured the log itself keeps its own form."""
    code = """
import logging, podready
from podready.runtime.logs import log_event
log_event("INFO", "early")
podready.wrap(lambda environ, start_response: [])
logging.getLogger("shop").warning("paid")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PODREADY_ADMIN_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stderr == ""
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"early", "paid"} <= {line["message"] for line in lines}


@pytest.mark.parametrize(
    ("app", "sentence"),
    [
        (lambda: None, "is a factory: call it, and use what it returns"),
        (flask.Flask, "is the class Flask, not an app"),
        (lambda *args: None, "do not say whether it is an ASGI or a WSGI app"),
        ("main:app", "is a str, not an ASGI or WSGI app"),
    ],
)
@pytest.mark.parametrize("managed", [True, False])
def test_what_is_no_app_is_refused_at_once(app: Any, sentence: str, managed: bool) -> None:
    """Before anything is started, and under `podready run` too."""
    runtime = Runtime()
    runtime.managed = managed
    with pytest.raises(StartupError, match=sentence):
        wrap_in(runtime, app)


LIES = "def asgi(scope, receive, send): ...\ndef wsgi(environ, start_response): ...\n"


@pytest.mark.parametrize("name", ["uvicorn", "granian", "gunicorn gthread", "granian wsgi"])
def test_an_app_that_cannot_be_called_is_not_ready(start: Start, name: str) -> None:
    """It returned None, which no server can await or iterate over: /readyz and the log say so."""
    server = start(SERVERS[name], LIES).ready()
    server.get("/")
    eventually(lambda: server.probe("/readyz")[0] == 503, "not ready")
    assert server.probe("/readyz")[1]["failing"] == ["app-call"]
    eventually(lambda: "the app cannot be called as its interface says" in server.log, "a line")
