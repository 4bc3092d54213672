"""Logs: CPU time of a line beside structlog, python-json-logger and loguru, and what breaks them.

python -m benchmarks.logs [--rounds 5] [--only cost,flood,failures]
"""

from __future__ import annotations

import argparse
import fcntl
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
from benchmarks.log_variants import BURST, CALLS, VARIANTS

PACKAGES = ("orjson", "structlog", "python-json-logger", "loguru", "uvicorn")
TARGETS = ("/dev/null", "pipe", "file")
SCENARIOS = {"fields": "10 fields", "bound": "10 bound", "static": "static"}
FLOOR = "floor: orjson + os.write"
STRUCTLOG, RECIPE = "podready, structlog", "structlog, documented recipe (orjson)"
STDLIB, JSON_LOGGER = "podready, stdlib logging", "python-json-logger"
FORMAT_EXCEPTION = "traceback.format_exception alone"

PIPE_SIZE = 1 << 20
READ_SIZE, READ_PAUSE = 1 << 16, 0.01
"""Bytes that the slow reader takes at once, and the seconds in between."""

Found = dict[str, dict[str, list[dict[str, float]]]]
"""By target, then by variant: what each round has measured."""


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="cost,flood,failures")
    options = parser.parse_args()
    if "cost" in options.only:
        cost(options.rounds)
    if "flood" in options.only:
        flood(options.rounds)
    if "failures" in options.only:
        failures()


# What a line costs


def cost(number: int) -> None:
    """Record what a line costs in each set-up, and which of our own targets are reached."""
    variants = [Variant(name, "") for name in VARIANTS]
    found: Found = {
        target: rounds(variants, number, lambda each, target=target: measure(each.name, target))  # type: ignore[misc]
        for target in TARGETS
    }
    how = (
        "CPU time of the logging thread for one call in us, median of batches in a process of its "
        f"own, median of {number} alternating rounds; every line is written with a system call of "
        "its own, which the peers' handlers flush. `pipe`: empty when a batch begins, and large "
        "enough for all of it, while a reader reads. The three scenarios are those of zap's "
        "benchmark: ten fields given with the call, ten bound before, none."
    )
    texts = [how, machine(PACKAGES), costs(found), "Our targets:", targets(found)]
    record("Logs: cost of a line", "\n\n".join(texts))


def costs(found: Found) -> str:
    """Return the table of all numbers."""
    rows = []
    for name in VARIANTS:
        cells = [
            _us(middle(found, target, name, scenario))
            for scenario in SCENARIOS
            for target in TARGETS
        ]
        disabled = middle(found, "/dev/null", name, "disabled")
        cells.append("-" if disabled is None else f"{disabled * 1000:.0f}")
        rows.append((name, *cells, _us(middle(found, "/dev/null", name, "exception"))))
    columns = [f"{words} to {target}" for words in SCENARIOS.values() for target in TARGETS]
    return table(("us", *columns, "disabled, ns", "exception of 7 frames"), rows)


def targets(found: Found) -> str:
    """Return the table of what was asked for and what was measured."""
    rows = []
    for scenario, words in SCENARIOS.items():
        rows.append(_ratio(found, f"structlog, {words}: times the floor", scenario, STRUCTLOG))
    for scenario, words in SCENARIOS.items():
        rows.append(
            _gain(found, f"structlog, {words}: recipe / ours", scenario, STRUCTLOG, RECIPE, 1.4)
        )
    for scenario, words in SCENARIOS.items():
        what = f"stdlib, {words}: python-json-logger / ours"
        rows.append(_gain(found, what, scenario, STDLIB, JSON_LOGGER, 2.3))
    for name in (STRUCTLOG, STDLIB):
        disabled = middle(found, "/dev/null", name, "disabled") or 0.0
        shown = _judged(disabled * 1000, "{:.0f}", disabled <= 0.06)
        rows.append((f"{name}: disabled, ns", "60 at most", shown, "", ""))
    text = middle(found, "/dev/null", FORMAT_EXCEPTION, "exception") or 0.0
    for name in (STRUCTLOG, STDLIB):
        ours = middle(found, "/dev/null", name, "exception") or 1.0
        shown = _judged(text / ours, "{:.1f}", text / ours >= 4)
        rows.append((f"{name}: format_exception alone / a whole line", "4 or more", shown, "", ""))
    return table(("target", "wanted", *TARGETS), rows)


def _ratio(found: Found, what: str, scenario: str, name: str) -> tuple[str, ...]:
    """Return a row: how many times the floor."""
    cells = []
    for target in TARGETS:
        ratio = _of(found, target, name, scenario) / _of(found, target, FLOOR, scenario)
        cells.append(_judged(ratio, "{:.1f}", ratio <= 3))
    return (what, "3 at most", *cells)


def _gain(
    found: Found, what: str, scenario: str, ours: str, theirs: str, wanted: float
) -> tuple[str, ...]:
    """Return a row: how many times faster than a peer."""
    cells = []
    for target in TARGETS:
        ratio = _of(found, target, theirs, scenario) / _of(found, target, ours, scenario)
        cells.append(_judged(ratio, "{:.2f}", ratio >= wanted))
    return (what, f"{wanted:g} or more", *cells)


def _judged(value: float, form: str, reached: bool) -> str:
    shown = form.format(value)
    return shown if reached else f"**{shown}** (not reached)"


def _of(found: Found, target: str, name: str, scenario: str) -> float:
    value = middle(found, target, name, scenario)
    if value is None:
        raise LookupError(f"{name} has no {scenario}")
    return value


def middle(found: Found, target: str, name: str, what: str) -> float | None:
    """Return the median over the rounds, None where there is nothing."""
    values = [each[what] for each in found[target][name] if what in each]
    return median(values) if values else None


def _us(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def measure(name: str, target: str) -> dict[str, float]:
    """Run one variant with its stdout at one target."""
    if target == "pipe":
        return _into_pipe([name], PIPE_SIZE, 0.0)[0]
    with tempfile.TemporaryFile() as file:
        sink = subprocess.DEVNULL if target == "/dev/null" else file.fileno()
        with _start([name], sink) as process:
            assert process.stderr is not None
            return dict(json.loads(process.stderr.read()))


def _start(arguments: list[str], stdout: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.log_variants", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    return subprocess.Popen(command, env=environ, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE)


def _into_pipe(arguments: list[str], size: int, pause: float) -> tuple[dict[str, float], int]:
    """Run one variant into a pipe; return what it measured, and how many lines have arrived."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, size)
    arrived: list[int] = []
    with _start(arguments, theirs) as process:
        os.close(theirs)
        reader = threading.Thread(target=_swallow, args=(ours, pause, arrived))
        reader.start()
        assert process.stderr is not None
        said = process.stderr.read()
    reader.join()
    return dict(json.loads(said)), sum(arrived)


def _swallow(fd: int, pause: float, arrived: list[int]) -> None:
    with os.fdopen(fd, "rb", buffering=0) as pipe:
        while data := pipe.read(READ_SIZE):
            arrived.append(data.count(b"\n"))
            time.sleep(pause)


# What a reader costs that cannot follow


def flood(number: int) -> None:
    """Record a burst into a pipe whose reader is slower than the writer."""
    variants = [Variant(name, "") for name in VARIANTS if name != FORMAT_EXCEPTION]
    found = rounds(variants, number, lambda each: _flooded(each.name))
    rows = []
    for name, seen in found.items():
        middles = {what: median(each[what] for each in seen) for what in seen[0]}
        cells = [f"{middles[what]:.1f}" for what in ("cpu", "held up", "longest")]
        rows.append((name, *cells, f"{min(each['arrived'] for each in seen):,.0f}"))
    header = ("10 fields", "CPU, us a line", "caller held up, us a line", "longest call, ms")
    how = (
        f"{BURST:,} lines at once into a pipe of 64 KiB whose reader takes {READ_SIZE >> 10} KiB "
        f"every {READ_PAUSE * 1000:.0f} ms. CPU time of all threads; the peers' time is their "
        f"reader's. Median of {number} alternating rounds, of the lines delivered the lowest."
    )
    text = table((*header, "lines delivered"), rows)
    record("Logs: a flooded pipe", f"{how}\n\n{machine(PACKAGES)}\n\n{text}")


def _flooded(name: str) -> dict[str, float]:
    numbers, arrived = _into_pipe([name, "--flood"], READ_SIZE, READ_PAUSE)
    return {**numbers, "arrived": arrived - CALLS}


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
        served, slowest = 0, 0.0
        for _ in range(3000):
            begin = time.perf_counter()
            if status(server.port, "/", 2.0) != 200:
                break
            served, slowest = served + 1, max(slowest, time.perf_counter() - begin)
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
        return (
            f"{served} of 3,000 requests served, the slowest in {slowest * 1000:.0f} ms, "
            f"probe {probe or 'hangs'}, +{grown} MiB, {ended}"
        )
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
    from podready import logs
    from podready.logs import LogOptions
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
    from podready import logs
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
