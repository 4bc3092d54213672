"""Requests lost in many rolling updates of the ready examples, with clients at a distance.

    python -m benchmarks.rollouts [hello|hello_flask ...] [--rollouts 10] [--rps 300]

Each example is rolled over and over under one open-loop load, with a round trip of 1 ms and of
20 ms; where the example has them, an SSE stream and a WebSocket stay open at each node. The pods'
exit codes come from the kubelet's journal.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness import ROOT, machine, record, table

from podready.cluster.local import LocalCluster, LocalClusterConfig
from podready.journal import read_journal
from podready.project import load_project
from podready.rehearse.api import KubernetesApi
from podready.rehearse.load.plan import DialerTarget, RequestKind
from podready.rehearse.manifests import load_manifests
from podready.rehearse.rehearsal import RehearsalPlan, Snapshot, rehearse
from podready.rehearse.result import RehearsalResult
from podready.rehearse.scenario import load_scenarios
from podready.rehearse.target import choose_target

STREAMS: Final = {"hello": ("/events", "ws:/ws"), "hello_flask": ()}
ROUND_TRIPS: Final = (0.001, 0.020)
ENDPOINT_LAG: Final = 1.0
NODES: Final = 3
PACKAGES: Final = ("uvicorn", "uvloop", "httptools", "starlette", "flask")


@dataclass(frozen=True)
class Series:
    """One example, rolled many times at one distance."""

    result: RehearsalResult
    exits: Counter[int]


class PlainProgress:
    """Prints progress."""

    def log(self, line: str) -> None:
        """Print one line."""
        print(f"  {line}", flush=True)

    def show(self, snapshot: Snapshot) -> None:
        """Leave the live counts out."""


def main() -> None:
    """Roll every example named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", nargs="*", default=list(STREAMS))
    parser.add_argument("--rollouts", type=int, default=10)
    parser.add_argument("--rps", type=float, default=300)
    options = parser.parse_args()
    rows = []
    for example in options.examples:
        for round_trip in ROUND_TRIPS:
            print(f"{example}, round trip {round_trip * 1000:g} ms", flush=True)
            series = asyncio.run(roll(example, round_trip, options.rollouts, options.rps))
            rows.append(row(example, round_trip, options.rollouts, series))
    header: tuple[str, ...] = (
        "example",
        "round trip",
        "rollouts",
        "requests",
        "dropped",
        "causes",
        "streams",
    )
    header += ("exit codes of the pods", "p50 ms", "p99 ms", "generator late")
    how = (
        f"3 pods, {NODES} nodes, endpoint lag {ENDPOINT_LAG:g} s, {options.rps:g} requests/s, 5 % "
        "of them 2 s long; one scenario of rolling updates one after the other. "
    )
    record("Rollouts", f"{how}{machine(PACKAGES)}\n\n{table(header, rows)}")


async def roll(example: str, round_trip: float, rollouts: int, rate: float) -> Series:
    """Return what one series of rolling updates lost."""
    project = load_project(ROOT / "examples" / example)
    manifests = load_manifests(project)
    target = choose_target(manifests.objects, project.service, manifests.namespace)
    with tempfile.TemporaryDirectory(prefix="podready-rollouts-") as folder:
        config = LocalClusterConfig(
            project_root=project.root,
            dockerfile=project.dockerfile,
            run_dir=Path(folder),
            endpoint_lag=ENDPOINT_LAG,
            nodes=NODES,
        )
        async with LocalCluster(config) as cluster:
            plan = RehearsalPlan(
                project=project.name,
                target=target,
                manifests=manifests.objects,
                scenarios=load_scenarios(("rolling-update",)),
                load_target=DialerTarget(
                    str(cluster.dialer_path), target.service_key, target.port, NODES
                ),
                requests=tuple(
                    RequestKind(r.name, r.method, r.path, r.weight, r.body, r.expect, r.timeout)
                    for r in project.rehearse.requests
                ),
                rate=rate,
                rounds=rollouts,
                endpoint_lag=ENDPOINT_LAG,
                streams=STREAMS[example],
                one_way_delay=round_trip / 2,
                journal=cluster.journal_path,
            )
            api = KubernetesApi(cluster.kubeconfig, target.namespace)
            try:
                result = await rehearse(plan, api, PlainProgress())
            finally:
                await api.close()
            facts = read_journal(cluster.journal_path)
            exits = Counter(fact["code"] for fact in facts if fact["kind"] == "exited")
    return Series(result, exits)


def row(example: str, round_trip: float, rollouts: int, series: Series) -> tuple[object, ...]:
    """Return one line of the table."""
    scenario = series.result.scenarios[0]
    causes = ", ".join(f"{cause.count} {cause.code}" for cause in scenario.causes) or "-"
    found = ", ".join(finding.code for finding in scenario.findings) or "ended cleanly"
    exits = ", ".join(f"{code}: {count}" for code, count in sorted(series.exits.items()))
    return (
        example,
        f"{round_trip * 1000:g} ms",
        rollouts,
        f"{scenario.sent:,}",
        scenario.dropped,
        causes,
        found if STREAMS[example] else "-",
        exits,
        scenario.p50_ms,
        scenario.p99_ms,
        f"{scenario.generator.get('late_share', 0.0):.1%}",
    )


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
