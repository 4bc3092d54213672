"""Access lines of other servers: one form, nothing made up, and off where they were turned off."""

from __future__ import annotations

import http.client
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import eventually
from tests.runtime.wrap.server import GUNICORN, Server, Start

from podready.runtime.logs.formats.parts import ServedRequest
from podready.runtime.logs.intake.server_access import read_access

pytestmark = pytest.mark.slow

SOURCE = """
from podready.runtime import logs
logs.configure()

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    status = 503 if scope["path"] == "/bad" else 200
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

def wsgi(environ, start_response):
    bad = environ["PATH_INFO"] == "/bad"
    start_response("503 Bad" if bad else "200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
UVICORN = ("uvicorn", "--port", "{port}", "apps:asgi")
HYPERCORN = ("hypercorn", "--bind", "127.0.0.1:{port}")
GRANIAN = ("granian", "--interface", "asgi", "--port", "{port}")
ACCESS = {
    "uvicorn": UVICORN,
    "gunicorn": (*GUNICORN, "--access-logfile", "-", "apps:wsgi"),
    "gunicorn -k uvicorn": (
        *(*GUNICORN, "--access-logfile", "-", "-k", "uvicorn_worker.UvicornWorker", "apps:asgi"),
    ),
    "hypercorn": (*HYPERCORN, "--access-logfile", "-", "apps:asgi"),
    "granian": (*GRANIAN, "--access-log", "apps:asgi"),
}
SILENT = {
    "uvicorn": (*UVICORN, "--no-access-log"),
    "gunicorn": (*GUNICORN, "apps:wsgi"),
    "gunicorn -k uvicorn": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "apps:asgi"),
    "hypercorn": (*HYPERCORN, "apps:asgi"),
}
TELLS_ALL = {"gunicorn", "hypercorn"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a server and waits until it serves."""
    started: list[Server] = []

    def run(argv: tuple[str, ...]) -> Server:
        pytest.importorskip(argv[0])
        started.append(Server(argv, tmp_path, SOURCE))
        eventually(lambda: started[-1].get("/first") is not None, "it serves")
        return started[-1]

    yield run
    for server in started:
        server.kill()


def ask(server: Server, path: str, **headers: str) -> None:
    """Send one request with headers."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as client:
        client.request(
            "GET", path, headers={key.replace("_", "-"): headers[key] for key in headers}
        )
        client.getresponse().read()


def lines(server: Server) -> list[dict[str, Any]]:
    """Return the lines that are JSON; granian's parent writes text."""
    return [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("name", ACCESS)
def test_access_lines_of_every_server_have_one_form(start: Start, name: str) -> None:
    """httpRequest, ERROR from 500 on, no probes, and what is not known is not there."""
    server = start(ACCESS[name])
    ask(server, "/healthz")
    ask(server, "/paid?card=4111111111111111", X_Request_ID="r1")
    ask(server, "/bad")
    eventually(lambda: "GET /bad 503" in server.log, "its access lines")
    told = [event for event in lines(server) if "httpRequest" in event]
    assert [event["message"] for event in told] == [
        "GET /first 200",
        "GET /paid 200",
        "GET /bad 503",
    ]
    assert [event["severity"] for event in told] == ["INFO", "INFO", "ERROR"]
    request = told[1]["httpRequest"]
    assert (request["requestUrl"], request["status"]) == ("/paid", 200)
    assert request["remoteIp"] == "127.0.0.1"
    assert request["protocol"] == "HTTP/1.1"
    assert "4111111111111111" not in json.dumps(told)
    assert ("latency" in request) is (name in TELLS_ALL or name == "granian")
    assert request.get("latency") != "0.000000s"
    assert request.get("responseSize") == ("2" if name in TELLS_ALL else None)
    assert told[1].get("request_id") == ("r1" if name in TELLS_ALL else None)


@pytest.mark.parametrize("name", SILENT)
def test_what_was_turned_off_stays_off(start: Start, name: str) -> None:
    """`uvicorn --no-access-log` is a wish; so is a server whose default it is."""
    server = start(SILENT[name])
    ask(server, "/bad")
    server.terminate()
    server.end()
    assert "/first" not in server.log
    assert "/bad" not in server.log


def test_hypercorn_puts_up_its_handlers_late(start: Start) -> None:
    """When it begins to serve, after the app was imported: every line is ours all the same."""
    server = start(ACCESS["hypercorn"])
    eventually(lambda: "/first" in server.log, "its access line")
    running = [event for event in lines(server) if event["logger"] == "hypercorn.error"]
    assert running
    assert len(lines(server)) == len(server.log.splitlines())


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("uvicorn.access", ()),
        ("uvicorn.access", (1, 2)),
        ("uvicorn.access", ("c", "GET", "/", "1.1", "none")),
        ("gunicorn.access", ({"m": "GET"},)),
        ("hypercorn.access", ("x",)),
        ("granian.access", ({"status": "x"},)),
        ("gunicorn.access", 5),
    ],
)
def test_a_line_in_another_form_is_a_line_like_any_other(name: str, args: Any) -> None:
    """Somebody may have a format of their own."""
    record = logging.LogRecord(name, 20, "", 0, "mine", None, None)
    record.args = args
    assert read_access(record, 20) == (20, None, {})


def test_a_request_id_of_a_client_is_checked() -> None:
    """Short and printable, or it is nobody's."""
    atoms = {
        "m": "GET",
        "U": "/",
        "s": "200",
        "B": None,
        "D": 5,
        "h": "-",
        "a": "-",
        "H": "HTTP/1.0",
    }
    for given, taken in (("r1", {"request_id": "r1"}), ("r" * 200, {}), ("ä", {}), ("-", {})):
        record = logging.LogRecord("gunicorn.access", 20, "", 0, "", None, None)
        record.args = {**atoms, "{x-request-id}i": given}
        _, request, fields = read_access(record, 20)
        assert fields == taken
        assert request == ServedRequest("GET", "/", 200, None, 5e-6, "", "", "HTTP/1.0")


def test_access_lines_to_a_file_stay(tmp_path: Path) -> None:
    """Neither `configure` nor `wrap` takes a file away from its reader."""
    code = f"""
import logging
logger = logging.getLogger("gunicorn.access")
logger.addHandler(logging.FileHandler({str(tmp_path / "access")!r}))
logger.addHandler(logging.StreamHandler())
logging.getLogger().addHandler(logging.FileHandler({str(tmp_path / "root")!r}))
from podready.runtime import logs
from podready.runtime.logs.intake.handler_replacement import silence_access_logs
from podready.runtime.logs.log import LOG
logs.configure()
logger.warning("one")
silence_access_logs(LOG)
logs.configure()
logs.replace_handlers()
logger.warning("two")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert (tmp_path / "access").read_text().split() == ["one", "two"]
    assert (tmp_path / "root").read_text().split() == ["one"]
    assert [json.loads(line)["message"] for line in ended.stdout.splitlines()] == ["one"]
    assert ended.stderr == ""
