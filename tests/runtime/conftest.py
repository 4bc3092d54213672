"""A real `podready run` in a process of its own, with real ports, signals and log lines."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

TIMEOUT = 60.0


def eventually(condition: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
    """Return the first truthy value of `condition`; fail when there is none in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not in {timeout:g} s: {what}")


class Pod:
    """One running supervisor with its workers."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.log: list[dict[str, Any]] = []
        self.noise: list[str] = []
        self._news: queue.Queue[None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.ports: dict[str, int] = {}

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            try:
                self.log.append(json.loads(raw))
            except ValueError:
                self.noise.append(raw.decode())

    def line(self, part: str) -> dict[str, Any]:
        """Return the first log line whose message contains `part`, waiting for it."""
        found = eventually(
            lambda: next((each for each in list(self.log) if part in each["message"]), None),
            f"a log line with {part!r}; there are {self.log} {self.noise}",
        )
        return dict(found)

    def messages(self) -> list[str]:
        """Return all log messages so far."""
        return [str(each["message"]) for each in list(self.log)]

    def errors(self) -> list[dict[str, Any]]:
        """Return all lines that are errors or worse."""
        return [each for each in list(self.log) if each["severity"] in {"ERROR", "CRITICAL"}]

    @property
    def port(self) -> int:
        """The main port."""
        return int(self.line("starting ")["port"])

    @property
    def admin(self) -> int:
        """The probes' port."""
        return int(self.line("starting ")["admin_port"])

    def probe(self, path: str, *, method: str = "GET") -> tuple[int, Any]:
        """Ask the admin port; return status and JSON body."""
        status, _, body = self.get(path, port=self.admin, method=method)
        return status, json.loads(body) if body.startswith(b"{") else body

    def get(
        self,
        path: str,
        *,
        port: int | None = None,
        method: str = "GET",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request on a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, names, answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """Open a raw connection to the main port."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)

    def refuses(self) -> bool:
        """Whether a new connection to the main port is refused."""
        try:
            self.connect().close()
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        return False

    def ready(self) -> Pod:
        """Wait until /readyz says 200."""
        eventually(lambda: self.probe("/readyz")[0] == 200, f"ready; log: {self.log} {self.noise}")
        return self

    def phase(self, phase: str) -> None:
        """Wait until the probes report `phase`."""
        eventually(lambda: self.probe("/livez")[1]["phase"] == phase, f"phase {phase}")

    def workers(self) -> list[dict[str, Any]]:
        """Return the facts about each worker."""
        return list(self.probe("/readyz?verbose")[1]["details"]["workers"])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor, as the kubelet does."""
        self.process.send_signal(number)

    def end(self, timeout: float = TIMEOUT) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(timeout)
        self._reader.join(TIMEOUT)
        return code

    def stop(self) -> int:
        """SIGTERM, then the exit code."""
        self.send(signal.SIGTERM)
        return self.end()

    def kill(self) -> None:
        """Leave nothing behind, whatever happened; the session is ours alone."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        if self.process.stdout is not None:
            self.process.stdout.close()


StartPod = Callable[..., Pod]


@pytest.fixture
def start_pod(tmp_path: Path) -> Iterator[StartPod]:
    """Write an app's source to a file and run it; every pod is gone after the test."""
    pods: list[Pod] = []

    def start(
        source: str,
        *flags: str,
        target: str = "main:app",
        prefix: Sequence[str] = (),
        **environ: str,
    ) -> Pod:
        (tmp_path / "main.py").write_text(textwrap.dedent(source))
        argv = [sys.executable, "-m", "podready", "run", target, "--app-dir", str(tmp_path)]
        argv += ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", *flags]
        process = subprocess.Popen(
            [*prefix, *argv],
            cwd=tmp_path,
            env={**_clean_environment(), "PYTHONDONTWRITEBYTECODE": "1", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        pods.append(Pod(process, tmp_path))
        return pods[-1]

    yield start
    for pod in pods:
        pod.kill()


def _clean_environment() -> dict[str, str]:
    """Return our environment without what would change the runtime's defaults."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PODREADY_", "KUBERNETES_")) and name != "PORT"
    }
