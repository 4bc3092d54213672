"""The end of a pod whose log nobody reads, or somebody reads late: real processes, real pipes."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import _clean_environment, eventually

pytestmark = pytest.mark.slow

APP = """
import logging, os, time
from pathlib import Path

log = logging.getLogger("shop")

def fill(count, size):
    for number in range(count):
        log.info("line %d", number, extra={"text": "x" * size})

if "FILL_AT_IMPORT" in os.environ:
    fill(200, 1000)
    Path("filled").touch()
    time.sleep(600)  # until SIGTERM

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if "FILL_AT_SHUTDOWN" in os.environ:
            fill(200, 1000)
        await send({"type": "lifespan.shutdown.complete"})
        return
    _, count, size = scope["path"].split("/")
    fill(int(count), int(size))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
"""


class Unread:
    """A pod whose log is read only when the test says so."""

    def __init__(self, folder: Path, *flags: str, **environ: str) -> None:
        (folder / "main.py").write_text(textwrap.dedent(APP))
        self._log, writing = os.pipe()
        self._data = bytearray()
        argv = [sys.executable, "-m", "podready", "run", "main:app", "--app-dir", str(folder)]
        argv += ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", *flags]
        self.process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**_clean_environment(), "PYTHONDONTWRITEBYTECODE": "1", **environ},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        os.close(writing)

    def line(self, part: str) -> dict[str, Any]:
        """Read up to a line whose message contains `part`, and no further than needed."""
        looked = 0
        while True:
            end = self._data.rfind(b"\n") + 1
            for event in map(json.loads, self._data[looked:end].splitlines()):
                if part in event["message"]:
                    return dict(event)
            looked = end
            piece = os.read(self._log, 4096)
            assert piece, f"no line with {part!r} in {self._data!r}"
            self._data += piece

    def lines(self) -> list[dict[str, Any]]:
        """Read everything until all writers have ended."""
        while piece := os.read(self._log, 1 << 16):
            self._data += piece
        return [json.loads(line) for line in self._data.splitlines()]

    def full(self) -> None:
        """Wait until all pages of the pipe are in use: lines of 1 kB leave some of each free."""

        def unread() -> int:
            size: int = struct.unpack("i", fcntl.ioctl(self._log, termios.FIONREAD, b"1234"))[0]
            return size

        capacity = fcntl.fcntl(self._log, fcntl.F_GETPIPE_SZ)
        eventually(lambda: unread() > capacity * 2 / 3, "the pipe is full")

    def get(self, port: int, path: str, timeout: float = 30) -> bytes:
        """Send one request."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def get_aside(self, port: int, path: str) -> None:
        """Send one request whose answer may never come."""

        def ask() -> None:
            try:
                self.get(port, path)
            except (OSError, http.client.HTTPException):
                pass

        threading.Thread(target=ask, daemon=True).start()

    def said(self) -> str:
        """Wait for the end and return what is on stderr."""
        return self.process.communicate(timeout=60)[1]

    def kill(self) -> None:
        """Leave nothing behind."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.communicate()
        os.close(self._log)


Start = Callable[..., Unread]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start pods; all are gone after the test."""
    pods: list[Unread] = []

    def begin(*flags: str, **environ: str) -> Unread:
        pods.append(Unread(tmp_path, *flags, **environ))
        return pods[-1]

    yield begin
    for pod in pods:
        pod.kill()


def lost(stderr: str) -> list[int]:
    """Return how many lines each process said it could not deliver."""
    found = re.findall(
        r"^podready: (\d+) log lines lost: nobody reads stdout$", stderr, re.MULTILINE
    )
    assert stderr.count("\n") == len(found), stderr
    return [int(number) for number in found]


def test_a_worker_is_not_killed_while_it_waits_for_its_reader(start: Start) -> None:
    """It has the time of its last flush, and says itself what is lost when that is over."""
    pod = start("--drain-delay", "0s", "--grace-period", "30s")
    port = pod.line("starting ")["port"]
    pod.line("ready after")
    assert pod.get(port, "/200/3000") == b"done"
    pod.process.send_signal(signal.SIGTERM)
    numbers = lost(pod.said())
    assert pod.process.returncode == 0
    assert max(numbers) > 100
    arrived = sum(event["logger"] == "shop" for event in pod.lines())
    assert max(numbers) >= 200 - arrived


def test_lines_of_the_last_hook_are_waited_for_too(start: Start) -> None:
    """They come after everything else, into a pipe that is full already."""
    pod = start("--drain-delay", "0s", "--grace-period", "30s", FILL_AT_SHUTDOWN="yes")
    pod.line("ready after")
    pod.process.send_signal(signal.SIGTERM)
    assert max(lost(pod.said())) > 50
    assert pod.process.returncode == 0


def test_a_start_that_is_stopped_flushes_too(start: Start, tmp_path: Path) -> None:
    """SIGTERM while the app is imported, with lines waiting."""
    pod = start("--grace-period", "30s", FILL_AT_IMPORT="yes")
    eventually((tmp_path / "filled").exists, "the app has logged")
    pod.process.send_signal(signal.SIGTERM)
    assert max(lost(pod.said())) > 50
    assert pod.process.returncode == 0


def test_block_mode_loses_nothing(start: Start) -> None:
    """The worker waits: 12 MB are more than its backlog takes."""
    pod = start("--log-on-stall", "block", "--drain-delay", "0s", "--grace-period", "30s")
    port = pod.line("starting ")["port"]
    pod.line("ready after")
    pod.get_aside(port, "/12000/1000")
    pod.full()
    pod.line("line 11999")
    pod.process.send_signal(signal.SIGTERM)
    arrived = [event["message"] for event in pod.lines() if event["logger"] == "shop"]
    assert arrived == [f"line {number}" for number in range(12_000)]
    assert pod.said() == ""


def test_block_mode_ends_with_the_grace_period(start: Start) -> None:
    """Probes answer all the while: PID 1 waits for nobody, and tells the worker to stop waiting."""
    pod = start("--log-on-stall", "block", "--drain-delay", "1s", "--grace-period", "12s")
    started = pod.line("starting ")
    pod.line("ready after")
    pod.get_aside(started["port"], "/20000/10")
    pod.full()
    assert b"ready" in pod.get(started["admin_port"], "/livez")
    pod.process.send_signal(signal.SIGTERM)
    eventually(lambda: b"draining" in pod.get(started["admin_port"], "/livez"), "draining is told")
    assert lost(pod.said())
    assert pod.process.returncode == 0


def test_a_start_that_blocks_can_be_stopped(start: Start) -> None:
    """The import waits for the reader when SIGTERM comes."""
    pod = start("--log-on-stall", "block", "--grace-period", "30s", FILL_AT_IMPORT="yes")
    pod.line("starting ")
    pod.full()
    pod.process.send_signal(signal.SIGTERM)
    pod.said()
    assert pod.process.returncode == 0


def test_an_orphan_that_blocks_ends(start: Start) -> None:
    """PID 1 was killed: the worker's event loop waits for the reader, and hears of it even so."""
    pod = start("--log-on-stall", "block", "--grace-period", "30s", "--hook-time", "1s")
    started = pod.line("starting ")
    pod.line("ready after")
    details = json.loads(pod.get(started["admin_port"], "/readyz?verbose"))
    worker = details["details"]["workers"][0]["pid"]
    pod.get_aside(started["port"], "/20000/10")
    pod.full()
    pod.process.kill()
    eventually(lambda: has_ended(worker), f"the end of worker {worker}")


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for a parent that collects it."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
