"""An app in a child process: `podready run`, or the command of another server."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from podready.contract import READYZ
from podready.errors import StartupError
from podready.testing.app_under_test import AppUnderTest, wait_until
from podready.testing.losses import ShutdownRecord
from podready.testing.process import ChildProcess, end_of
from podready.testing.sockets import HOST

_HIDDEN: Final = ("PODREADY_", "KUBERNETES_")
_LAST_LINES: Final = 12
_OK: Final = 200
_SERIOUS: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})


@dataclass(frozen=True, slots=True)
class _Times:
    """What an app is allowed, in seconds."""

    drain_delay: float
    grace_period: float
    startup: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """How the app is started, and the times that hold for it."""

    argv: tuple[str, ...]
    title: str
    cwd: Path
    env: Mapping[str, str]
    times: _Times
    ports: tuple[int, int] | None = None  # None: the app says them in its log


class RunningApp(AppUnderTest):
    """An app in a child process, ready to serve."""

    def __init__(self, command: _Command) -> None:
        super().__init__(command.times.drain_delay, command.times.grace_period)
        self._command = command
        self._killed = False
        self._process = ChildProcess(command.argv, command.cwd, command.env)

    @property
    def pid(self) -> int:
        """The process id of what was started: of the supervisor under `podready run`."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All that the app has written to stdout and stderr so far."""
        return "\n".join(self._process.lines)

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The lines so far that are JSON objects: `message`, `severity` and the fields."""
        return list(self._process.records)

    def _wait_ready(self) -> None:
        """Wait until the app is ready; raises StartupError when it ends or takes too long."""
        deadline = time.monotonic() + self._command.times.startup
        steps = (self._find_ports, self._is_ready)
        for step in steps:
            wait_until(lambda: self._has_ended() or step(), deadline - time.monotonic())  # noqa: B023
            if self._has_ended() or not step():
                raise StartupError(self._why_not_ready())

    def _find_ports(self) -> bool:
        """Learn the ports: of the command, or from the first line that names both."""
        if self._command.ports is not None:
            self.port, self.admin_port = self._command.ports
            return True
        for record in self.logs:
            if "port" in record and "admin_port" in record:
                self.port, self.admin_port = int(record["port"]), int(record["admin_port"])
                return True
        return False

    def _is_ready(self) -> bool:
        if _accepts(self.admin_port):
            try:
                return self.probe(READYZ).status == _OK
            except (OSError, http.client.HTTPException):  # it ends at this moment
                return False
        if self._command.ports is None or not _accepts(self.port):
            return False
        self.admin_port = 0  # another server without podready.wrap: nothing answers probes
        return True

    def _has_ended(self) -> bool:
        return self._process.exit_code is not None

    def _why_not_ready(self) -> str:
        code = self._process.exit_code
        seconds = self._command.times.startup
        what = f"was not ready within {seconds:g} s" if code is None else end_of(code) or "ended"
        return f"{self._command.title} {what} before it was ready; its output:\n{self._tail()}"

    def _tail(self) -> str:
        return "\n".join(self._process.lines[-_LAST_LINES:]) or "(none)"

    def _terminate(self) -> None:
        if self._has_ended():
            raise AssertionError(
                f"{self._command.title} had ended before it was asked to stop; "
                f"its output:\n{self._tail()}"
            )
        self._process.send(signal.SIGTERM)

    def wait_stopped(self) -> int:
        """Wait for the end of an app that drains; kill it at the end of the grace period."""
        if self._drain_begun is None:
            raise AssertionError("the app was not asked to stop: call begin_drain() first")
        left = self._drain_begun + self.grace_period - time.monotonic()
        code = self._process.wait(left)
        if code is None:
            self._killed = True
            code = self._process.kill()
        return code

    def _stop_of(self, begun: float) -> ShutdownRecord:
        code = self._process.exit_code
        return ShutdownRecord(
            begun=begun,
            drain_delay=self.drain_delay,
            grace_period=self.grace_period,
            killed=self._killed,
            end="" if code is None or code >= 0 or code == -signal.SIGTERM else end_of(code),
            cut=[
                (str(record["stuck"].get("title")), str(record["stuck"].get("at")))
                for record in self.logs
                if isinstance(record.get("stuck"), dict)
            ],
        )

    def _last_words(self) -> str:
        lines = [_words(each) for each in self.logs if each.get("severity") in _SERIOUS]
        return "\n".join(lines[-_LAST_LINES:])

    def close(self) -> None:
        """End the app, its descendants and all clients, whatever they are doing."""
        self._process.kill()
        self._end_clients()


def _words(record: Mapping[str, Any]) -> str:
    """Return a log line for people: what it says, and the error of its stack trace."""
    error = str(record.get("stack_trace", "")).strip().rpartition("\n")[2]
    return f"  {record['severity']} {record.get('message', '')}" + (f" ({error})" if error else "")


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=10.0).close()
    except OSError:
        return False
    return True


@contextmanager
def run_app(
    app: str | Sequence[str],
    *,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: str | Path = ".",
    drain_delay: float = 0.5,
    grace_period: float = 10.0,
    startup_timeout: float = 30.0,
) -> Iterator[RunningApp]:
    """Run an app in a child process until the end of the block; it is ready when the block begins.

    `app` is MODULE:ATTR for `podready run`, with further `args`; or the words of another server's
    command, in which `{port}` becomes a free port, such as ["gunicorn", "-b", "127.0.0.1:{port}",
    "main:app"]. It runs in `cwd` with this process's environment (without PODREADY_* and
    KUBERNETES_*) and `env`. Times are seconds: `drain_delay` is how long the app must accept after
    SIGTERM, `grace_period` when it is killed. Yields a RunningApp. Raises StartupError when the
    app is not ready within `startup_timeout`, with the last lines of its output.
    """
    times = _Times(drain_delay, grace_period, startup_timeout)
    running = RunningApp(_command(app, args, env or {}, Path(cwd), times))
    try:
        running._wait_ready()
        yield running
    finally:
        running.close()


def _command(
    app: str | Sequence[str],
    args: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    times: _Times,
) -> _Command:
    ports = None if isinstance(app, str) else _free_ports()
    if isinstance(app, str):
        argv = (sys.executable, "-m", "podready", "run", app, *args)
    else:
        assert ports is not None
        argv = tuple(word.replace("{port}", str(ports[0])) for word in (*app, *args))
    return _Command(
        argv=argv,
        title=app if isinstance(app, str) else argv[0],
        cwd=cwd,
        env={**_environment(times, ports or (0, 0)), **env},
        times=times,
        ports=ports,
    )


def _environment(times: _Times, ports: tuple[int, int]) -> dict[str, str]:
    """Return our environment with the settings that every test wants."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_HIDDEN) and name != "PORT"
    }
    return inherited | {
        "PYTHONUNBUFFERED": "1",
        "PODREADY_HOST": HOST,
        "PODREADY_PORT": str(ports[0]),
        "PODREADY_ADMIN_HOST": HOST,
        "PODREADY_ADMIN_PORT": str(ports[1]),
        "PODREADY_DRAIN_DELAY": f"{times.drain_delay * 1000:.0f}ms",
        "PODREADY_GRACE_PERIOD": f"{times.grace_period * 1000:.0f}ms",
        "PODREADY_LOG_FORMAT": "gcp",
    }


def _free_ports() -> tuple[int, int]:
    """Return two ports that are free now, for a server that takes no port 0."""
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]
