"""examples/hello and examples/hello_flask do what their READMEs say, and stop without a loss."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
from typing import Any

import pytest
from websockets.sync.client import connect

pytestmark = pytest.mark.slow

Start = Any  # conftest's fixture

BOTH = pytest.mark.parametrize("example", ["hello", "hello_flask"])


@BOTH
def test_it_answers_as_its_readme_says(start: Start, example: str) -> None:
    """The greeting, the health text, and an echo signed by SECRET_KEY."""
    app = start(example, SECRET_KEY="key").ready()
    assert app.ask("/")[:2] == (200, "Hello, World!")
    assert app.ask("/healthz")[:2] == (200, "OK!")
    status, body, headers = app.ask("/echo", b"ping")
    assert (status, body) == (200, "ping")
    assert headers["x-signature"] == hmac.new(b"key", b"ping", hashlib.sha256).hexdigest()
    app.terminate()
    assert app.exit_code() == 0


@BOTH
def test_a_two_second_request_is_finished_after_sigterm(start: Start, example: str) -> None:
    """SIGTERM comes in the middle of it; the client gets its answer, the exit code is 0."""
    app = start(example).ready()
    answers: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: answers.append(app.ask("/slow")[:2]))
    client.start()
    app.in_flight(1)
    app.terminate()
    client.join(30)
    assert answers == [(200, "Hello, after two seconds!")]
    assert app.exit_code() == 0


@BOTH
def test_settings_are_logged_as_fields_and_secrets_are_not(start: Start, example: str) -> None:
    """HOSTS is divided by colons, PRODUCTION is a boolean, SECRET_KEY is nowhere."""
    app = start(example, SECRET_KEY="hunter2", HOSTS="a:b", PRODUCTION="true")
    event = app.line("configured")
    assert (event["production"], event["hosts"]) == (True, ["a", "b"])
    app.ready().terminate()
    assert app.exit_code() == 0
    assert "hunter2" not in str(app.log)


@BOTH
def test_a_bad_environment_ends_with_one_report(start: Start, example: str) -> None:
    """Exit code 78, both mistakes in one log line, and every line still JSON."""
    app = start(example, SECRET_KEY="", PRODUCTION="maybe")
    assert app.exit_code() == 78
    reports = [event["message"] for event in app.log if "settings: " in event["message"]]
    assert len(reports) == 1
    assert "PRODUCTION  invalid" in reports[0]
    assert "SECRET_KEY  empty" in reports[0]


@BOTH
def test_without_its_database_it_never_becomes_ready(start: Start, example: str) -> None:
    """The check is critical: /readyz says 503 and the log says why."""
    app = start(example, DATABASE_URL="sqlite:////no/such/folder/file.db")
    assert "unable to open database file" in app.line("check 'database' fails")["message"]
    assert app.readyz()[0] == 503
    app.terminate()
    assert app.exit_code() == 0


def test_an_open_event_stream_ends_with_the_pod(start: Start) -> None:
    """A client that listens for ever does not keep the pod from stopping."""
    app = start("hello", PODREADY_STREAM_WINDOW="100ms").ready()
    stream = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
    stream.request("GET", "/events")
    answer = stream.getresponse()
    assert answer.readline() == b"data: 0\n"
    app.terminate()
    assert b"data" in answer.read() or answer.isclosed()
    stream.close()
    assert app.exit_code() == 0


def test_a_websocket_echoes(start: Start) -> None:
    """Every message comes back."""
    app = start("hello").ready()
    with connect(f"ws://127.0.0.1:{app.port}/ws", proxy=None) as socket:
        socket.send("ping")
        assert socket.recv(timeout=30) == "ping"
    app.terminate()
    assert app.exit_code() == 0
