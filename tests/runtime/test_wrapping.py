"""`podready.wrap` under a server of one's own: plain uvicorn, in a real process."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import podready
from podready.runtime import inflight
from podready.runtime.wrapping import drain_delay

from .conftest import eventually

SOURCE = """
import podready
async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
app = podready.wrap(asgi)
wsgi = podready.wrap(wsgi)
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A plain uvicorn with the wrapped app and a drain delay longer than the test."""
    (tmp_path / "main.py").write_text(SOURCE)
    with closing(socket.create_server(("127.0.0.1", 0))) as finder:
        number = finder.getsockname()[1]
    argv = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(number)]
    with subprocess.Popen(
        argv,
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={"PODREADY_DRAIN_DELAY": "100s", "PATH": "/usr/bin:/bin"},
    ) as process:
        try:
            eventually(lambda: get(number, "/readyz") is not None, "it serves")
            yield number, process
        finally:
            process.kill()


def get(port: int, path: str) -> tuple[int, dict[str, str]] | None:
    """Ask once; None when nobody is there."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
        except OSError:
            return None
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_drain_under_plain_uvicorn(port: tuple[int, subprocess.Popen[bytes]]) -> None:
    """SIGTERM turns readyz, the server goes on serving with close, the second signal ends it."""
    number, process = port
    assert answered(get(number, "/readyz"))[0] == 200
    assert "connection" not in answered(get(number, "/"))[1]
    process.send_signal(signal.SIGTERM)
    eventually(lambda: answered(get(number, "/readyz"))[0] == 503, "not ready")
    assert answered(get(number, "/livez"))[0] == 200
    status, headers = answered(get(number, "/"))
    assert (status, headers["connection"]) == (200, "close")
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def answered(answer: tuple[int, dict[str, str]] | None) -> tuple[int, dict[str, str]]:
    """Return the answer, which must be there."""
    assert answer is not None
    return answer


def call(app: Any, path: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Call a WSGI app once."""
    told: list[Any] = []
    chunks = app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda *said: told.extend(said))
    body = b"".join(chunks)
    getattr(chunks, "close", lambda: None)()
    return told[0], told[1], body


def test_wsgi_under_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes are answered before the app, and while draining every answer says close."""

    def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Connection", "keep-alive")])
        assert inflight.IN_FLIGHT.count() == 1
        return [b"hello"]

    handler = signal.getsignal(signal.SIGTERM)
    try:
        app = podready.wrap(hello)
        assert call(app, "/readyz")[0] == "200 OK"
        assert call(app, "/") == ("200 OK", [("Connection", "keep-alive")], b"hello")
        monkeypatch.setattr("podready.runtime.notice.NOTICE.given", True)
        assert call(app, "/readyz")[0] == "503 Service Unavailable"
        assert call(app, "/")[1] == [("Connection", "close")]
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert inflight.IN_FLIGHT.count() == 0


def test_under_podready_run_it_is_the_app_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `podready run` nothing is wrapped twice."""
    monkeypatch.setattr(inflight, "managed", True)

    def app() -> None: ...

    assert podready.wrap(app) is app


def test_drain_delay() -> None:
    """The variable, else five seconds in a pod, else none."""
    assert drain_delay({"PODREADY_DRAIN_DELAY": "500ms"}) == 0.5
    assert drain_delay({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == 5
    assert drain_delay({}) == 0
