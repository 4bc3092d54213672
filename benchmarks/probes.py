"""Probe answers while the app is busy: in Python, in C under the interpreter lock, out of CPU.

    python -m benchmarks.probes [--rounds 5]

Ten probes a second, each on a new connection, sent when they are due whatever became of the last
one, as a kubelet would with many pods. The CPU quota needs root and a cgroup v1 `cpu` controller.
"""

from __future__ import annotations

import argparse
import http.client
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.harness import (
    HOST,
    Server,
    Variant,
    machine,
    podready,
    record,
    rounds,
    serving,
    table,
    uvicorn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY_SECONDS = 5
_EVERY = 0.1
_KUBELET_TIMEOUT = 1.0
"""Kubernetes' default timeoutSeconds of a probe."""

_QUOTA_US, _PERIOD_US = 50_000, 100_000
_CGROUP = Path("/sys/fs/cgroup/cpu/podready-benchmark")

BUSY = {"Python code": "/python", "C under the lock": "/c"}


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows: list[tuple[str, ...]] = []
    peers = [podready("busy", "--no-access-log"), uvicorn("busy", "--no-access-log")]
    for title, path in BUSY.items():
        seen = rounds(peers, options.rounds, partial(probe_while, path))
        rows += [row(f"loop blocked {_BUSY_SECONDS} s by {title}", *item) for item in seen.items()]
    if quota_is_possible():
        seen = rounds(peers, options.rounds, probe_while_throttled)
        rows += [row("all of a quota of 0.5 CPU used", *item) for item in seen.items()]
    header = ("while", "server", "probes", "within 1 s", "median ms", "p99 ms", "worst ms")
    how = (
        f"`/livez` on the admin port (uvicorn: a path of the app), {1 / _EVERY:g} probes a second, "
        f"{options.rounds} alternating rounds. A probe not answered in {_KUBELET_TIMEOUT:g} s "
        "counts as that long."
    )
    record("Probes", f"{how} {machine(('uvicorn',))}\n\n{table(header, rows)}")


def row(what: str, name: str, runs: list[list[float]]) -> tuple[str, ...]:
    """Return one line of the table; milliseconds, all rounds together."""
    times = sorted(each for run in runs for each in run)
    good = sum(each < _KUBELET_TIMEOUT * 1000 for each in times)
    p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
    numbers = (f"{median(times):.1f}", f"{p99:.1f}", f"{times[-1]:.1f}")
    return (what, name, str(len(times)), f"{100 * good / len(times):.0f} %", *numbers)


def probe_while(path: str, variant: Variant) -> list[float]:
    """Return the milliseconds of each probe sent while a request keeps the app busy."""
    with serving(variant, pinned=False) as server:
        return probe_during(server, path)


def probe_during(server: Server, path: str) -> list[float]:
    """Keep the app busy with `path` and probe it until that is over."""
    port = server.admin if "podready" in server.variant.command else server.port
    busy = http.client.HTTPConnection(HOST, server.port, timeout=60)
    busy.request("GET", path)
    time.sleep(_EVERY)  # the request is on its way into the app
    times: list[float] = []
    threads = []
    begin = time.monotonic()
    for number in range(int((_BUSY_SECONDS - 1) / _EVERY)):
        time.sleep(max(0.0, begin + number * _EVERY - time.monotonic()))
        thread = threading.Thread(target=lambda: times.append(probe(port)))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    busy.getresponse().read()
    busy.close()
    return times


def probe(port: int) -> float:
    """Return the milliseconds of one probe; the kubelet's timeout when there is no 200 by then."""
    begin = time.monotonic()
    client = http.client.HTTPConnection(HOST, port, timeout=_KUBELET_TIMEOUT)
    try:
        client.request("GET", "/livez")
        good = client.getresponse().status == 200
    except OSError:
        good = False
    finally:
        client.close()
    spent = time.monotonic() - begin
    return 1000 * (spent if good and spent < _KUBELET_TIMEOUT else _KUBELET_TIMEOUT)


def quota_is_possible() -> bool:
    """Whether a cgroup with a CPU quota can be made here; says why not."""
    try:
        with quota():
            return True
    except OSError as error:
        print(f"no CPU quota here, left out: {error}")
        return False


@contextmanager
def quota() -> Iterator[Path]:
    """Make a cgroup that has half a CPU."""
    _CGROUP.mkdir(exist_ok=True)
    try:
        (_CGROUP / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (_CGROUP / "cpu.cfs_quota_us").write_text(str(_QUOTA_US))
        yield _CGROUP
    finally:
        _CGROUP.rmdir()


def probe_while_throttled(variant: Variant) -> list[float]:
    """Probe while the app uses all its quota; the server, supervisor included, is in the cgroup."""
    with quota() as group, serving(variant, pinned=False) as server:
        for pid in server.tree():
            (group / "cgroup.procs").write_text(str(pid))
        times = probe_during(server, "/burn")
        for pid in server.tree():
            (group.parent / "cgroup.procs").write_text(str(pid))
        return times


if __name__ == "__main__":
    main()
