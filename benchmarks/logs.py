"""Logs: CPU time of a line beside structlog, python-json-logger and loguru, and what breaks them.

python -m benchmarks.logs [--rounds 5] [--only cost,failures]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from statistics import median

from benchmarks.harness import (
    ROOT,
    Server,
    Variant,
    machine,
    podready,
    record,
    rounds,
    status,
    table,
    uvicorn,
)
from benchmarks.log_variants import VARIANTS

PACKAGES = ("orjson", "structlog", "python-json-logger", "loguru", "uvicorn")
TARGETS = ("/dev/null", "pipe", "file")
SCENARIOS = ("bound", "static", "exception")


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="cost,failures")
    options = parser.parse_args()
    if "cost" in options.only:
        cost(options.rounds)
    if "failures" in options.only:
        failures()


def cost(number: int) -> None:
    """Record what a line costs in each set-up."""
    found = {
        target: rounds(
            [Variant(name, "") for name in VARIANTS],
            number,
            lambda variant, target=target: measure(variant.name, target),  # type: ignore[misc]
        )
        for target in TARGETS
    }

    def middle(name: str, target: str, scenario: str) -> float | None:
        values = [each[scenario] for each in found[target][name] if scenario in each]
        return median(values) if values else None

    lowest = middle("floor: orjson + os.write", "/dev/null", "fields") or 1.0
    rows = []
    for name in VARIANTS:
        lines = [middle(name, target, "fields") for target in TARGETS]
        times = f"{lines[0] / lowest:.1f}" if lines[0] else "-"
        others = [middle(name, "/dev/null", scenario) for scenario in SCENARIOS]
        disabled = middle(name, "/dev/null", "disabled")
        nanoseconds = f"{disabled * 1000:.0f}" if disabled is not None else "-"
        rows.append((name, _us(lines[0]), times, *map(_us, lines[1:] + others), nanoseconds))
    header = ("10 fields to", "/dev/null, us", "x floor", "pipe, us", "file, us", "10 bound, us")
    header += ("static, us", "exception of 7 frames, us", "disabled, ns")  # type: ignore[assignment]
    how = (
        f"CPU time of the logging thread for one call, median of batches in a process of its own, "
        f"median of {number} alternating rounds; every line is written with a system call of its "
        "own, which the peers' handlers flush."
    )
    record("Logs: cost of a line", f"{how} {machine(PACKAGES)}\n\n{table(header, rows)}")


def _us(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def measure(name: str, target: str) -> dict[str, float]:
    """Run one variant with its stdout at one target."""
    command = [sys.executable, "-m", "benchmarks.log_variants", name]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile() as file:
        ours, theirs = os.pipe()
        sinks = {"/dev/null": subprocess.DEVNULL, "pipe": theirs, "file": file.fileno()}
        with subprocess.Popen(
            command,
            env=environ,
            cwd=ROOT,
            stdout=sinks[target],
            stderr=subprocess.PIPE,
        ) as process:
            os.close(theirs)
            reader = threading.Thread(target=_swallow, args=(ours,))
            reader.start()
            assert process.stderr is not None
            said = process.stderr.read()
        reader.join()
    return dict(json.loads(said))


def _swallow(fd: int) -> None:
    with os.fdopen(fd, "rb", buffering=0) as pipe:
        while pipe.read(1 << 20):
            pass


# What breaks a log


def failures() -> None:
    """Record what happens when nobody reads, when processes share a pipe, and at SIGKILL."""
    rows = [
        ("stalled reader, uvicorn (text access log)", stalled(uvicorn("raw"))),
        ("stalled reader, podready run", stalled(podready("raw"))),
        ("4 processes, lines of 200 B to 100 kB, print()", torn("print")),
        ("4 processes, the same, stdlib StreamHandler", torn("stdlib")),
        ("4 processes, the same, podready (forked workers)", torn("podready")),
        ("SIGKILL after 1,000 lines, stdlib QueueHandler", killed("queue")),
        ("SIGKILL after 1,000 lines, podready", killed("podready")),
    ]
    text = table(("case", "outcome"), rows)
    record("Logs: what breaks them", f"{machine(PACKAGES)}\n\n{text}")


def stalled(variant: Variant) -> str:
    """Send 3,000 requests to a server whose stdout is a pipe that nobody reads."""
    server = Server(variant, pinned=False)
    try:
        server.until_answering(server.port)
        os.kill(server.reader_pid, 19)  # SIGSTOP: the log collector hangs
        memory = _memory(server)
        served = 0
        for _ in range(3000):
            if status(server.port, "/", 2.0) != 200:
                break
            served += 1
        supervised = "podready" in variant.command
        probe = (
            status(server.admin, "/readyz", 2.0) if supervised else status(server.port, "/", 2.0)
        )
        grown = _memory(server) - memory
        begin = time.monotonic()
        server.process.terminate()
        try:
            server.process.wait(8)
            ended = f"ends {time.monotonic() - begin:.1f} s after SIGTERM"
        except subprocess.TimeoutExpired:
            ended = "still there 8 s after SIGTERM"
        return f"{served} of 3,000 requests served, probe {probe or 'hangs'}, +{grown} MiB, {ended}"
    finally:
        os.kill(server.reader_pid, 18)
        server.close()


def _memory(server: Server) -> int:
    return sum(_rss_kb(pid) for pid in server.tree()) // 1024


def _rss_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if "VmRSS" in line), 0)


TORN = """
import json, logging, os, sys
way = sys.argv[1]
if way == "podready":
    from podready.runtime import logs
    from podready.runtime.logs.options import LogOptions
    logs.configure(options=LogOptions(max_line=1_000_000))
else:
    logging.basicConfig(stream=sys.stdout, level=20, format="%(message)s")
log = logging.getLogger("shop")
children = []
for worker in range(4):
    pid = os.fork()
    if not pid:
        for turn in range(160):
            text = chr(65 + worker) * (200, 2000, 20_000, 100_000)[turn % 4]
            if way == "podready":
                log.info(text)
            elif way == "print":
                print(json.dumps({"message": text}), flush=True)
            else:
                log.info(json.dumps({"message": text}))
        if way == "podready":
            logs.flush(60)
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"""


def torn(way: str) -> str:
    """Count the lines of four processes on one pipe that are not JSON."""
    environ = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"}
    ended = subprocess.run(
        [sys.executable, "-c", TORN, way], stdout=subprocess.PIPE, env=environ, check=True
    )
    lines = ended.stdout.split(b"\n")[:-1]
    bad = sum(not _is_whole(line) for line in lines)
    return f"{bad} of {len(lines)} lines are not JSON"


def _is_whole(line: bytes) -> bool:
    try:
        return len(set(json.loads(line)["message"])) == 1
    except (ValueError, KeyError, TypeError):
        return False


KILLED = """
import logging, logging.handlers, os, queue, signal, sys
if sys.argv[1] == "podready":
    from podready.runtime import logs
    logs.configure()
else:
    lines = queue.Queue()
    logging.basicConfig(handlers=[logging.handlers.QueueHandler(lines)], level=20)
    logging.handlers.QueueListener(lines, logging.StreamHandler(sys.stdout)).start()
log = logging.getLogger("shop")
for number in range(1000):
    log.info("line %d", number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(way: str) -> str:
    """Count the lines that have arrived of a process killed right after 1,000."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), way], stdout=subprocess.PIPE, check=False
    )
    return f"{len(ended.stdout.splitlines())} of 1,000 lines delivered"


if __name__ == "__main__":
    main()
