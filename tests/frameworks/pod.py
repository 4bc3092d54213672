"""A real `podready run` in a process of its own, and the clients that a test sends to it.

Every pod has its own loopback address, so the ports never collide and nothing has to be free.
Whatever a test does, `close` leaves no process behind.
"""

from __future__ import annotations

import ctypes
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PORT = 8000
ADMIN_PORT = 9000

TIMEOUT = 30.0
"""Seconds a test waits for a condition before it calls it broken; never a measurement."""

_TICK = 0.01
_numbers = itertools.count()


def until(condition: Callable[[], Any], what: str, seconds: float = TIMEOUT) -> Any:
    """Return the first true value of `condition`; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(_TICK)
    return value


def _die_with_us() -> None:
    """Have the kernel kill the pod when the test run itself is killed (prctl(2))."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 = PR_SET_PDEATHSIG


def _own_address() -> str:
    """Return an address of 127.0.0.0/8 that no other pod of this machine uses."""
    number = os.getpid() % 32768 * 64 + next(_numbers) % 64
    return f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def last(self) -> bool:
        """Whether the client was told that the connection ends here."""
        return self.headers.get("connection", "").lower() == "close"


class Client:
    """One HTTP/1.1 connection, kept alive."""

    def __init__(self, address: str, port: int) -> None:
        self.raw = http.client.HTTPConnection(address, port, timeout=TIMEOUT)

    def begin(self, path: str, headers: Mapping[str, str] | None = None) -> Client:
        """Send a GET and do not read the answer yet."""
        self.raw.request("GET", path, headers={"Host": "localhost", **(headers or {})})
        return self

    def open(self) -> http.client.HTTPResponse:
        """Read the head of the answer to what was begun."""
        return self.raw.getresponse()

    def finish(self) -> Reply:
        """Read the answer to what was begun."""
        response = self.open()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """GET and read the answer."""
        return self.begin(path, headers).finish()

    def post(self, path: str, body: bytes) -> Reply:
        """POST and read the answer."""
        headers = {"Host": "localhost", "Content-Type": "application/octet-stream"}
        self.raw.request("POST", path, body, headers)
        return self.finish()

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()


class Pod:
    """One `podready run`; `folder` takes its marks, gates and logs."""

    def __init__(
        self,
        target: str,
        folder: Path,
        flags: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.address = _own_address()
        self._clients: list[Client] = []
        command = [sys.executable, "-m", "podready", "run", target, "--app-dir", str(ROOT)]
        command += ["--host", self.address, "--port", str(PORT)]
        command += ["--admin-host", self.address, "--admin-port", str(ADMIN_PORT)]
        command += ["--log-format", "gcp", *flags]
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"GATE": str(folder), "MAIN": f"{self.address}:{PORT}"}
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=inherited | own | dict(environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_us,  # noqa: PLW1509 - the test run has one thread here
            )

    def ready(self) -> Pod:
        """Return once /readyz says 200."""

        def look() -> bool:
            code = self.process.poll()
            assert code is None, f"exited with {code} instead of becoming ready:\n{self.log}"
            return self.probe("/readyz") == 200

        until(look, f"ready\n{self.log}")
        return self

    def probe(self, path: str) -> int:
        """Return the status of a probe; 0 while the admin port does not listen."""
        client = http.client.HTTPConnection(self.address, ADMIN_PORT, timeout=TIMEOUT)
        try:
            client.request("GET", path)
            return client.getresponse().status
        except ConnectionError:
            return 0
        finally:
            client.close()

    def client(self) -> Client:
        """Return a new connection, which `close` closes."""
        client = Client(self.address, PORT)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        """Close all connections so far."""
        while self._clients:
            self._clients.pop().close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """GET on a new connection."""
        return self.client().get(path, headers)

    def refuses(self) -> bool:
        """Whether a new connection is refused."""
        client = Client(self.address, PORT)
        try:
            client.raw.connect()
        except ConnectionRefusedError:
            return True
        except ConnectionError:  # reset from the queue of a listener that just closed
            return False
        finally:
            client.close()
        return False

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to PID 1 of the pod, as the kubelet does."""
        self.process.send_signal(number)

    def exit_code(self, seconds: float = TIMEOUT) -> int:
        """Wait for the end and return the exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.log}") from None

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal()
        return self.exit_code()

    def open_gate(self, name: str) -> None:
        """Let the work behind the gate go on."""
        (self.folder / name).touch()

    @property
    def marks(self) -> list[str]:
        """What the app has marked so far, in order."""
        path = self.folder / "marks"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def until_marked(self, name: str) -> None:
        """Wait for a mark."""
        until(lambda: name in self.marks, f"the mark {name!r}; marks: {self.marks}\n{self.log}")

    @property
    def log(self) -> str:
        """All that was written to stdout and stderr so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def records(self) -> list[dict[str, Any]]:
        """The log, line by line; a line that is not a JSON object fails the test."""
        return [json.loads(line) for line in self.log.splitlines()]

    def complaints(self) -> list[dict[str, Any]]:
        """The records of severity WARNING and worse."""
        return [each for each in self.records if each["severity"] not in {"DEBUG", "INFO"}]

    def close(self) -> None:
        """End the process and its children, whatever they are doing."""
        self.close_clients()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
