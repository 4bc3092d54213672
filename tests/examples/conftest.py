"""The example apps as real processes under `podready run`; each is gone after its test."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TIMEOUT = 30.0
"""Seconds a test waits for something before it calls it broken; never a measurement."""


def until(condition: Callable[[], Any], what: Callable[[], str], seconds: float = TIMEOUT) -> Any:
    """Return the first true value of `condition`; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what()}"
        time.sleep(0.01)
    return value


class Running:
    """One `podready run` of an example, on ports of the kernel's choice."""

    def __init__(
        self, example: str, folder: Path, environ: dict[str, str], stdout: int | None = None
    ) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "podready", "run", f"{example}.main:app"],
                cwd=EXAMPLES / example,
                env={"TMPDIR": str(folder), "PORT": "0", "PODREADY_ADMIN_PORT": "0", **environ},
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log so far; a line that is not JSON fails the test."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def line(self, part: str) -> dict[str, Any]:
        """Return the first log line whose message contains `part`, waiting for it."""
        found: dict[str, Any] = until(
            lambda: next((event for event in self.log if part in event["message"]), None),
            lambda: f"a line with {part!r} in {self.log}",
        )
        return found

    @property
    def port(self) -> int:
        """The app's port."""
        return int(self.line("starting ")["port"])

    def ask(
        self, path: str, body: bytes | None = None, *, port: int | None = None
    ) -> tuple[int, str, dict[str, str]]:
        """GET, or POST a body, on a new connection; return status, text and headers."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=TIMEOUT)
        try:
            connection.request("GET" if body is None else "POST", path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def readyz(self) -> tuple[int, str]:
        """Ask the admin port as the kubelet does."""
        status, body, _ = self.ask("/readyz", port=int(self.line("starting ")["admin_port"]))
        return status, body

    def in_flight(self, count: int) -> None:
        """Wait until the workers report that many requests under way."""
        admin = int(self.line("starting ")["admin_port"])

        def reported() -> bool:
            details = json.loads(self.ask("/readyz?verbose", port=admin)[1])["details"]
            return bool(sum(worker["inflight"] for worker in details["workers"]) == count)

        until(reported, lambda: f"{count} in flight; log: {self.log}")

    def ready(self) -> Running:
        """Return once the app is ready."""
        self.line("ready after")
        until(lambda: self.readyz()[0] == 200, lambda: f"ready; log: {self.log}")
        return self

    def terminate(self) -> None:
        """Send SIGTERM to PID 1, as the kubelet does."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(TIMEOUT)

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an example with the environment given by keywords; SECRET_KEY is set."""
    with ExitStack() as running:

        def run(example: str, *, stdout: int | None = None, **environ: str) -> Running:
            app = Running(example, tmp_path, {"SECRET_KEY": "for tests", **environ}, stdout)
            running.callback(app.close)
            return app

        yield run
