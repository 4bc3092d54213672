"""What all benchmarks share: servers as processes, their CPU and memory, rounds, the results.

Peers are measured in the same run, in alternating rounds, so that the machine's mood hits all of
them; a number is the median of the rounds. Servers are pinned to one CPU and the load to another
(like a pod with one CPU) unless there is only one.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "RESULTS.md"
BIN = Path(sys.executable).parent
HOST = "127.0.0.1"

_TICKS = os.sysconf("SC_CLK_TCK")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Variant:
    """One way to serve an app; `{port}` and `{admin}` in the command are filled in."""

    name: str
    command: str
    environ: Mapping[str, str] = field(default_factory=dict)


def podready(app: str, flags: str = "", name: str = "podready run") -> Variant:
    """Return `podready run` on an app of benchmarks/apps."""
    base = f"podready run benchmarks.apps.{app}:app --app-dir {ROOT} --host {HOST} --port {{port}}"
    return Variant(name, f"{base} --admin-host {HOST} --admin-port {{admin}} {flags}")


def uvicorn(app: str, flags: str = "", name: str = "uvicorn") -> Variant:
    """Return plain uvicorn on an app of benchmarks/apps."""
    return Variant(
        name,
        f"uvicorn benchmarks.apps.{app}:app --app-dir {ROOT} --host {HOST} --port {{port}} {flags}",
    )


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def cpus() -> tuple[set[int], set[int]]:
    """Return the CPUs for the server and for the load."""
    allowed = sorted(os.sched_getaffinity(0))
    return ({allowed[0]}, {allowed[-1]})


class Server:
    """A running variant."""

    def __init__(self, variant: Variant, *, pinned: bool = True) -> None:
        self.variant = variant
        self.port, self.admin = free_port(), free_port()
        program, *words = variant.command.format(port=self.port, admin=self.admin).split()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [str(BIN / program), *words],
            env={**inherited, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT), **variant.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if pinned:
            os.sched_setaffinity(self.process.pid, cpus()[0])
        # A log collector reads a pod's stdout; so does this, on the load's side, at no cost to it.
        assert self.process.stdout is not None
        self._reader = subprocess.Popen(
            ["cat"], stdin=self.process.stdout, stdout=subprocess.DEVNULL, start_new_session=True
        )
        os.sched_setaffinity(self._reader.pid, cpus()[1])
        self.process.stdout.close()

    def until_answering(self, port: int, path: str = "/", seconds: float = 30.0) -> float:
        """Return the seconds from the start to the first 200 of `path`."""
        deadline = self.began + seconds
        while time.monotonic() < deadline:
            if status(port, path) == 200:
                return time.monotonic() - self.began
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.variant.name} ended with {self.process.returncode}")
            time.sleep(0.001)
        raise RuntimeError(f"{self.variant.name} did not answer within {seconds:g} s")

    @property
    def reader_pid(self) -> int:
        """The process that reads the log, for benchmarks that let it hang."""
        return self._reader.pid

    def tree(self) -> list[int]:
        """Return the process and all its descendants."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and (stat := _stat(int(entry.name))):
                children.setdefault(int(stat[1]), []).append(int(entry.name))
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self) -> float:
        """Return the CPU time of the whole tree so far, user and system."""
        stats = [stat for pid in self.tree() if (stat := _stat(pid))]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / _TICKS

    def close(self) -> None:
        """End it, whatever it is doing."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._reader.wait()


@contextmanager
def serving(variant: Variant, *, pinned: bool = True) -> Any:
    """Start a variant, wait until it answers, and end it afterwards."""
    server = Server(variant, pinned=pinned)
    try:
        server.until_answering(server.port)
        yield server
    finally:
        server.close()


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the command's name: [0] is the state."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def memory_kb(pid: int, what: str) -> int:
    """Return Rss or Pss of a process in KiB, from /proc/PID/smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0


def status(port: int, path: str, timeout: float = 5.0) -> int:
    """Return the status of one GET on a new connection; 0 when there is no answer."""
    client = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        client.request("GET", path)
        return client.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        client.close()


@dataclass(frozen=True)
class Load:
    """What wrk saw, and what it cost the server."""

    per_second: float
    p99_ms: float
    errors: int
    cpu_us: float


def wrk(server: Server, seconds: int, connections: int = 32) -> Load:
    """Load a server and return what came of it."""
    cpu = min(cpus()[1])
    begin = server.cpu_seconds()
    url = f"http://{HOST}:{server.port}/"
    command = ["taskset", "-c", str(cpu), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    out = subprocess.run(
        [*command, "--latency", url],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    spent = server.cpu_seconds() - begin
    requests = int(_found(r"(\d+) requests in", out))
    errors = sum(int(number) for number in re.findall(r"(?:connect|read|write|timeout) (\d+)", out))
    errors += int(_found(r"Non-2xx or 3xx responses: (\d+)", out) or 0)
    value, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", out)[0]
    p99 = float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
    per_second = float(_found(r"Requests/sec:\s+([\d.]+)", out))
    return Load(per_second, p99, errors, spent / max(requests, 1) * 1e6)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def rounds(
    variants: Sequence[Variant], number: int, measure: Callable[[Variant], _T]
) -> dict[str, list[_T]]:
    """Measure every variant once a round, each round beginning with another one."""
    seen: dict[str, list[_T]] = {variant.name: [] for variant in variants}
    for turn in range(number):
        shift = turn % len(variants)
        for variant in (*variants[shift:], *variants[:shift]):
            seen[variant.name].append(measure(variant))
            print(
                f"  round {turn + 1}/{number} {variant.name}: {seen[variant.name][-1]}", flush=True
            )
    return seen


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return `median (lowest-highest)`."""
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def machine(packages: Sequence[str] = ()) -> str:
    """Return one line on when, where and with what."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    versions = [f"Python {platform.python_version()}", f"Linux {platform.release()}"]
    versions += [f"{name} {importlib.metadata.version(name)}" for name in ("podready", *packages)]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs ({_cpu_model()}), "
        f"load average {load} at the end. {', '.join(versions)}."
    )


def _cpu_model() -> str:
    text = Path("/proc/cpuinfo").read_text()
    return _found(r"model name\s*:\s*(.+)", text) or platform.machine()


def record(section: str, text: str) -> None:
    """Print the section and put it in place of its last version in RESULTS.md."""
    print(f"\n## {section}\n\n{text}\n")
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    begin, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    block = f"{begin}\n## {section}\n\n{text}\n{end}\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end) + "\n", re.DOTALL)
    new = pattern.sub(lambda _: block, old) if begin in old else f"{old.rstrip()}\n\n{block}"
    RESULTS.write_text(new, encoding="utf-8")
