"""Servers that are not ours, each a real process that serves a wrapped app."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.ports import HeldPort
from tests.runtime.conftest import eventually

SOURCE = """
import asyncio, os, time
import podready

if "PODREADY_TEST_CHECK" in os.environ:
    @podready.check("file", critical=True, interval=0.05)
    def check():
        return os.path.exists("file")

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    if scope["path"] == "/events":
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": b"data: x\\n\\n", "more_body": True})
            await asyncio.sleep(0.02)
    while scope["path"] == "/block" and not os.path.exists("go"):
        time.sleep(0.01)
    if scope["path"] == "/wait":
        open("got", "w").close()
        while not (os.path.exists("go") and podready.shutting_down()):
            await asyncio.sleep(0.01)
    body = b"told" if podready.shutting_down() else b"ok"
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events()
    if path == "/wait":
        open("got", "w").close()
        while not (os.path.exists("go") and podready.shutting_down()):
            time.sleep(0.01)
    body = b"told" if podready.shutting_down() else b"ok"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

def events():
    while True:
        yield b"data: x\\n\\n"
        time.sleep(0.02)

"""
WRAPPED = "import apps, podready\n{kind} = podready.wrap(apps.{kind})\n"

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--graceful-timeout", "90")
ASGI_SERVERS = {
    "uvicorn": ("uvicorn", "asgi:asgi", "--port", "{port}"),
    "uvicorn without uvloop": ("uvicorn", "asgi:asgi", "--port", "{port}", "--loop", "asyncio"),
    "uvicorn without lifespan": ("uvicorn", "asgi:asgi", "--port", "{port}", "--lifespan", "off"),
    "uvicorn --workers 2": ("uvicorn", "asgi:asgi", "--port", "{port}", "--workers", "2"),
    "gunicorn -k uvicorn": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "asgi:asgi"),
    "gunicorn -k asgi": (*GUNICORN, "-k", "asgi", "asgi:asgi"),
    "gunicorn -k asgi --preload": (*GUNICORN, "-k", "asgi", "--preload", "asgi:asgi"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}", "asgi:asgi"),
    "granian": ("granian", "--interface", "asgi", "--port", "{port}", "asgi:asgi"),
}
WSGI_SERVERS = {
    "gunicorn gthread": (*GUNICORN, "--threads", "4", "wsgi:wsgi"),
    "gunicorn gthread --preload": (*GUNICORN, "--threads", "4", "--preload", "wsgi:wsgi"),
    "gunicorn sync": (*GUNICORN, "--workers", "2", "wsgi:wsgi"),
    "granian wsgi": ("granian", "--interface", "wsgi", "--port", "{port}", "wsgi:wsgi"),
}
SERVERS = ASGI_SERVERS | WSGI_SERVERS


class Server:
    """A server of its own with the wrapped app."""

    def __init__(
        self, argv: tuple[str, ...], folder: Path, source: str = SOURCE, **environ: str
    ) -> None:
        (folder / "apps.py").write_text(source)
        for kind in ("asgi", "wsgi"):
            (folder / f"{kind}.py").write_text(WRAPPED.format(kind=kind))
        self.folder = folder
        self._held = HeldPort(), HeldPort()
        self.port, self.admin = (held.number for held in self._held)
        words = [word.format(port=self.port) for word in argv]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    "PATH": "/usr/bin:/bin",
                    "PODREADY_ADMIN_PORT": str(self.admin),
                    "PODREADY_GRACE_PERIOD": "200s",
                    **environ,
                },
            )

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text()

    def get(self, path: str, port: int | None = None) -> tuple[int, dict[str, str], bytes] | None:
        """Ask once on a new connection; None when nobody is there."""
        client = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        with closing(client):
            try:
                client.request("GET", path)
                answer = client.getresponse()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, headers, answer.read()
            except OSError:
                return None

    def probe(self, path: str) -> tuple[int, Any]:
        """Ask the admin port; status 0 when nobody is there."""
        answer = self.get(path, self.admin)
        return (answer[0], json.loads(answer[2])) if answer else (0, {})

    def ready(self) -> Server:
        """Wait until it is."""
        eventually(lambda: self.probe("/readyz")[0] == 200, f"ready: {self.log}")
        eventually(lambda: self.get("/") is not None, f"it serves: {self.log}")
        return self

    def send(self, path: str) -> socket.socket:
        """Send a request and leave it there."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return client

    def wait(self) -> socket.socket:
        """Send a request that waits for the file "go"; the app has it when this returns."""
        client = self.send("/wait")
        eventually((self.folder / "got").exists, f"in flight: {self.log}")
        return client

    def terminate(self) -> None:
        """Send SIGTERM to the process that the kubelet would send it to."""
        self.process.send_signal(signal.SIGTERM)

    def draining(self) -> None:
        """Wait until it says that it is not ready because it drains."""
        eventually(lambda: self.probe("/readyz")[0] == 503, f"draining: {self.log}")

    def end(self) -> int:
        """Wait until it has ended by itself."""
        return self.process.wait(30)

    def kill(self) -> None:
        """Leave nothing behind."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(20)
        for held in self._held:
            held.close()


Start = Callable[..., Server]
