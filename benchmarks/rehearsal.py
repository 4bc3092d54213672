"""The numbers of a rehearsal: nothing lost with podready, what is lost without, and what it costs.

python -m benchmarks.rehearsal [ready|naive|start|memory ...] [--runs 5] [--reports DIR]

`ready` and `naive` run the real command and keep each report.json in DIR; a report that is
there already is not made again, so an interrupted series goes on where it stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.harness import BIN, ROOT, machine, memory_kb, record, spread, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGES = ("uvicorn", "uvloop", "httptools", "aiohttp", "lightkube", "starlette", "flask")
READY = ("hello", "hello_flask")
LAGS = ("1s", "3s")
RATE = 300
SHARE_NEW = 0.2
"""The share of requests on a new connection in the default mix (rehearse/load/plan.py)."""

Report = dict[str, Any]


def main() -> None:
    """Measure what the command line names, everything by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--reports", type=Path, default=Path(tempfile.gettempdir(), "rehearsals"))
    options = parser.parse_args()
    for part in options.parts or PARTS:
        PARTS[part](options.runs, options.reports)


def ready(runs: int, reports: Path) -> None:
    """All three scenarios of the ready examples, `runs` times in a row with each lag."""
    cases = [(example, lag) for example in READY for lag in LAGS]
    seen = {(e, lag): [_report(reports, e, lag, n) for n in range(runs)] for e, lag in cases}
    rows = [_ready_row(example, lag, made) for (example, lag), made in seen.items()]
    header = ["example", "lag", "runs", "verdicts", "requests", "dropped", "gap ms (95 %)"]
    header += ["p50 ms", "p99 ms", "generator late %", "seconds"]
    text = (
        f"`podready rehearse examples/X --endpoint-lag LAG`, {RATE} requests/s, rolling update, "
        "rollback and deletion of a pod; 3 pods, 3 nodes. 5 % of the requests take 2 s, so p99 is "
        f"theirs. Median (lowest-highest) of the runs. {machine(PACKAGES)}"
    )
    record("Rehearsal: ready examples", f"{text}\n\n{table(header, rows)}")


def naive(runs: int, reports: Path) -> None:
    """What plain uvicorn loses in a rollout, beside requests/s x lag x new connections."""
    played = ("rolling-update", "rollback")  # each replaces every pod once
    flags = [word for name in played for word in ("--scenario", name)]
    lag = LAGS[0]
    made = [_report(reports, "naive", lag, n, *flags) for n in range(runs)]
    expected = RATE * float(lag.rstrip("s")) * SHARE_NEW
    rows = [_naive_row(lag, expected, made, name) for name in played]
    header = ["lag", "scenario", "lost, new connections", "expected", "median / expected"]
    header += ["lost, kept connections", "runs"]
    text = (
        f"`podready rehearse examples/naive`, {RATE} requests/s, {SHARE_NEW:.0%} of them on new "
        "connections. Expected: requests/s x lag x share of new connections, whatever the number "
        f"of pods. Lowest-highest beside the median. {machine(PACKAGES)}"
    )
    record("Rehearsal: naive example", f"{text}\n\n{table(header, rows)}")


def start(runs: int, _: Path) -> None:
    """From the command to an API that answers; a pod's sandbox; a container's first instruction."""
    _until_api_answers()  # compiles what was edited
    answering = [_until_api_answers() for _ in range(runs)]
    pods, containers = asyncio.run(_sandbox_times(runs * 10))
    rows = [
        (
            "command start to the API answering over HTTPS, ms",
            spread([a for a, _ in answering]),
            runs,
        ),
        ("CPU of the command until then, ms", spread([cpu for _, cpu in answering]), runs),
        ("a pod's sandbox: network, host name, helper, ms", spread(pods, 1), len(pods)),
        ("a container: private root, PID 1 executed, ms", spread(containers, 1), len(containers)),
    ]
    text = f"Median (lowest-highest); netns sandbox. {machine(PACKAGES)}"
    record("Rehearsal: start", f"{text}\n\n{table(('what', 'time', 'number'), rows)}")


def memory(_: int, reports: Path) -> None:
    """The peak of all processes of a rehearsal but those inside containers."""
    rows = []
    for example in ("hello", "naive"):
        peaks: dict[str, int] = {}
        with _command(example, "--out", str(reports / f"memory-{example}")) as process:
            _watch_memory(process, peaks)
        rows.append((example, *(f"{peaks[name] / 1024:.0f}" for name in ("all", *_KINDS))))
    header = ("example", "sum", "command with cluster", "load generator", "helpers of the pods")
    text = (
        f"Peak PSS in MiB of one rehearsal ({RATE} requests/s, three scenarios), sampled five "
        "times a second; the sum is the highest sum, the parts are their own peaks. Processes "
        f"inside containers are not counted. {machine(PACKAGES)}"
    )
    record("Rehearsal: memory besides the pods", f"{text}\n\n{table(header, rows)}")


def _report(reports: Path, example: str, lag: str, number: int, *flags: str) -> Report:
    """Return the report of one run, which is made unless it is there."""
    out = reports / f"{example}-{lag}-{number}"
    if not (out / "report.json").exists():
        with _command(example, "--endpoint-lag", lag, *flags, "--out", str(out)) as process:
            process.wait()
    report: Report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    print(f"{out.name}: {report['verdict']}, {report['dropped']} of {report['sent']}", flush=True)
    return report


@contextmanager
def _command(example: str, *flags: str, temp: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run the command on an example; it is told to stop, and waited for, when the block ends."""
    environ = {**os.environ, **({"TMPDIR": temp} if temp else {})}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed podready is compiled once
    words = [str(BIN / "podready"), "rehearse", str(ROOT / "examples" / example), *flags]
    process = subprocess.Popen([*words, "--rps", str(RATE)], stdout=subprocess.DEVNULL, env=environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait()


def _ready_row(example: str, lag: str, made: list[Report]) -> tuple[object, ...]:
    scenarios = [scenario for report in made for scenario in report["scenarios"]]
    verdicts = ", ".join(
        f"{sum(report['verdict'] == word for report in made)} {word}"
        for word in dict.fromkeys(report["verdict"] for report in made)
    )
    late = [scenario["generator"]["late_share"] * 100 for scenario in scenarios]
    return (
        example,
        lag,
        len(made),
        verdicts,
        f"{sum(report['sent'] for report in made):,}",
        sum(report["dropped"] for report in made),
        spread([report["gap_ms_95"] for report in made], 1),
        spread([scenario["p50_ms"] for scenario in scenarios], 1),
        spread([scenario["p99_ms"] for scenario in scenarios]),
        spread(late, 1),
        spread([sum(scenario["seconds"] for scenario in report["scenarios"]) for report in made]),
    )


def _naive_row(lag: str, expected: float, made: list[Report], name: str) -> tuple[object, ...]:
    played = [s for report in made for s in report["scenarios"] if s["name"] == name]
    lost = [[loss["connection"] == "new" for loss in scenario["losses"]] for scenario in played]
    new = [float(sum(each)) for each in lost]
    kept = [float(len(each) - sum(each)) for each in lost]
    share = f"{median(new) / expected:.2f}"
    return (lag, name, spread(new), f"{expected:.0f}", share, spread(kept), len(made))


def _until_api_answers() -> tuple[float, float]:
    """Return the ms from the start of the command to the API's first answer, and its CPU ms."""
    with tempfile.TemporaryDirectory() as temp:
        begun = time.perf_counter()
        with _command("hello", "--out", f"{temp}/out", temp=temp) as process:
            while process.poll() is None and not _answers(Path(temp)):
                time.sleep(0.004)
            return (time.perf_counter() - begun) * 1000, _cpu_ms(process.pid)


def _cpu_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _answers(temp: Path) -> bool:
    """Whether an API server whose kubeconfig is in `temp` answers; 401 is an answer."""
    for file in temp.glob("podready-cluster-*/kubeconfig"):
        url = re.search(r"(https://[\d.:]+)", file.read_text(encoding="utf-8"))
        if url is None:
            continue
        try:
            urllib.request.urlopen(f"{url[1]}/readyz", context=_UNVERIFIED, timeout=5)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
    return False


async def _sandbox_times(number: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of making a pod and of starting a container in it, each `number`."""
    from podready.cluster.sandbox.choose import choose
    from podready.cluster.sandbox.interface import ContainerSpec

    sandbox = await choose("netns")
    pods, containers = [], []
    with tempfile.TemporaryDirectory() as temp:
        spec = ContainerSpec("app", ("/bin/true",), {}, "/", Path(temp, "log"))
        for index in range(number):
            begun = time.perf_counter()
            pod = await sandbox.pod("default", f"pod-{index}", f"pod-{index}")
            made = time.perf_counter()
            process = await pod.start(spec)
            started = time.perf_counter()
            await process.wait()
            await pod.close()
            pods.append((made - begun) * 1000)
            containers.append((started - made) * 1000)
        await sandbox.close()
    return pods, containers


_KINDS = ("command", "load", "sandbox")
_MODULES = {"podready.rehearse.load": "load", "podready.cluster.sandbox": "sandbox"}


def _watch_memory(process: subprocess.Popen[bytes], peaks: dict[str, int]) -> None:
    """Keep in `peaks` the highest PSS (KiB) of each kind of process and of their sum."""
    peaks.update(dict.fromkeys(("all", *_KINDS), 0))
    pause = threading.Event()
    while process.poll() is None:
        now = dict.fromkeys(_KINDS, 0)
        for pid in _outside_containers(process.pid):
            with suppress(OSError):
                now[_kind(pid)] += memory_kb(pid, "Pss")
        for name, value in (*now.items(), ("all", sum(now.values()))):
            peaks[name] = max(peaks[name], value)
        pause.wait(0.2)


def _kind(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return next((kind for module, kind in _MODULES.items() if module in command), "command")


def _outside_containers(root: int) -> list[int]:
    """Return `root` and its descendants that share our own PID namespace."""
    ours = Path("/proc/self/ns/pid").readlink()
    found = [root]
    for pid in found:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return [pid for pid in found if _namespace(pid) == ours]


def _namespace(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return None


_UNVERIFIED = ssl._create_unverified_context()  # our own loopback, only timed

PARTS: dict[str, Callable[[int, Path], None]] = {
    "ready": ready,
    "naive": naive,
    "start": start,
    "memory": memory,
}

if __name__ == "__main__":
    main()
