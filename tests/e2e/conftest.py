"""The real command as a process, what it leaves behind, and projects for it to rehearse."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PODREADY = Path(sys.executable).parent / "podready"
DEADLINE_SECONDS = 90.0
_FIRST = """
nice=-15
[ -w /proc/self/autogroup ] && echo $nice > /proc/self/autogroup
exec nice -n $nice "$@"
"""
BEFORE_OTHERS = ("sh", "-c", _FIRST, "sh") if os.geteuid() == 0 else ()
"""A rehearsal on a busy machine is inconclusive, and rightly so: here it comes before the rest.

With autogroups (sched(7)) the nice value of a process counts inside its session only.
"""

SHORT = ("--scenario", "pod-deletion", "--rps", "100", "--endpoint-lag", "300ms")

Identity = tuple[int, str]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """Return the last line of stdout."""
        return self.out.strip().splitlines()[-1] if self.out.strip() else ""


class Footprint(threading.Thread):
    """Remembers every process that a command starts.

    A namespace lives as long as a process in it or a mount of it, so no more need be remembered:
    the kernel gives the numbers of ended namespaces to new ones.
    """

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._over = threading.Event()
        self._processes: set[Identity] = set()
        self.start()

    def run(self) -> None:
        """Look ten times a second, until told to stop: what lives shorter is not left behind."""
        while not self._over.wait(0.1):
            self._look()

    def _look(self) -> None:
        for pid in descendants(self._root):
            if identity := _identity(pid):
                self._processes.add(identity)

    def stop(self) -> None:
        """Look a last time and end."""
        self._look()
        self._over.set()
        self.join()

    def left(self) -> list[str]:
        """Return what is left after a while that the kernel gets for its part, one line each."""
        deadline = time.monotonic() + 10
        while (found := self._left_now()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _left_now(self) -> list[str]:
        alive = {pid for pid, started in self._processes if _identity(pid) == (pid, started)}
        return [f"{pid} {_command_line(pid)}" for pid in sorted(alive)]


def descendants(root: int) -> list[int]:
    """Return a process and all below it."""
    found = [root]
    for pid in found:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _identity(pid: int) -> Identity | None:
    """Return the pid with its start time, which no later process of that pid has; None if dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else (pid, fields[19])


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
    except OSError:
        return "?"


@dataclass
class Command:
    """One `podready …` that runs, has its own temporary directory, and is watched."""

    argv: list[str]
    temp: Path
    cwd: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start it."""
        self.temp.mkdir(exist_ok=True)
        self._mounts = _mounts(self.temp)
        self.process = subprocess.Popen(
            [*BEFORE_OTHERS, *self.argv],
            cwd=self.cwd,
            env={**_environ(), "TMPDIR": str(self.temp), **self.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.footprint = Footprint(self.process.pid)
        self._told: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in self._told]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        with getattr(self.process, name) as stream:
            self._told[name].extend(iter(stream.readline, ""))  # seen by `until` as it grows

    def until(self, text: str) -> None:
        """Wait for a line of stdout that holds `text`."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not any(text in line for line in tuple(self._told["stdout"])):
            assert self.process.poll() is None, self._all()
            assert time.monotonic() < deadline, f"never said {text!r}: {self._all()}"
            time.sleep(0.02)

    def finish(self) -> Done:
        """Wait for its end."""
        try:
            self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"did not end: {self._all()}")
        finally:
            self.footprint.stop()
        for reader in self._readers:
            reader.join()
        return Done(
            self.process.returncode, "".join(self._told["stdout"]), "".join(self._told["stderr"])
        )

    def assert_nothing_left(self) -> None:
        """No process, no namespace, no mount, no file outlives the command."""
        assert self.footprint.left() == []
        assert _mounts(self.temp) == self._mounts
        assert list(self.temp.iterdir()) == []

    def end(self) -> None:
        """Make sure that it is over, also after a failure."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
            self.process.kill()
            self.finish()

    def _all(self) -> str:
        return "".join([*self._told["stdout"], *self._told["stderr"]])


def _mounts(temp: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if "podready" in line or str(temp) in line]


def _environ() -> dict[str, str]:
    """Return an environment as a shell has it, without what would change a rehearsal."""
    dropped = ("PODREADY_", "CI", "COVERAGE_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `podready` with arguments; it has ended when the test has."""
    commands: list[Command] = []

    def run(*arguments: str | Path, program: Path = PODREADY, **environ: str) -> Command:
        argv = [str(program), *map(str, arguments)]
        command = Command(argv, tmp_path / "tmp", tmp_path, environ)
        commands.append(command)
        return command

    yield run
    for command in commands:
        command.end()


Rehearse = Callable[..., Done]


@pytest.fixture
def rehearse(start: Start, tmp_path: Path) -> Rehearse:
    """Run `podready rehearse` to its end, and see that nothing is left of it."""

    def run(*arguments: str | Path) -> Done:
        command = start("rehearse", *arguments, "--out", tmp_path / "report")
        done = command.finish()
        command.assert_nothing_left()
        return done

    return run


@pytest.fixture
def report(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Return the report.json that a rehearsal wrote."""

    def read() -> dict[str, Any]:
        text = (tmp_path / "report" / "report.json").read_text(encoding="utf-8")
        loaded: dict[str, Any] = json.loads(text)
        return loaded

    return read


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[str], Path]:
    """Return a copy of an example that a test may change."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(EXAMPLES / name, tmp_path / name))

    return copy


APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: tiny}
spec:
  replicas: 2
  selector: {matchLabels: {app: tiny}}
  template:
    metadata: {labels: {app: tiny}}
    spec:
      terminationGracePeriodSeconds: 15
      containers:
        - name: tiny
          image: tiny:1
          env:
            - {name: PODREADY_DRAIN_DELAY, value: 1s}
            - {name: PODREADY_GRACE_PERIOD, value: "15"}
          readinessProbe: {httpGet: {path: /readyz, port: 9000}, periodSeconds: 1}
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: tiny}
spec:
  selector: {app: tiny}
  ports: [{port: 80, targetPort: 8000}]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return the smallest project that is ready: starts and stops in a second or two."""
    root = tmp_path / "tiny"
    (root / "deploy").mkdir(parents=True)
    (root / "main.py").write_text(APP)
    (root / "Dockerfile").write_text('FROM python:3.13-slim\nCMD ["podready", "run", "main:app"]\n')
    (root / "deploy" / "deployment.yaml").write_text(DEPLOYMENT)
    (root / "deploy" / "service.yaml").write_text(SERVICE)
    return root


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
