"""The procedure of a rehearsal: for each scenario load, action, settling, diagnosis.

It reaches the cluster through a kubeconfig and the Service through the load's own target, and it
reads a journal where there is one. What it returns holds all that a report shows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from podready.clock import SYSTEM_CLOCK, Clock
from podready.journal import read_journal
from podready.kube.manifest import Manifest
from podready.rehearse.api import KubernetesApi
from podready.rehearse.diagnosis.advice import AdviceContext
from podready.rehearse.diagnosis.diagnosis import Diagnosis, diagnose, lost_samples
from podready.rehearse.diagnosis.findings import manifest_findings, stream_findings
from podready.rehearse.driver import Driver, ScenarioError
from podready.rehearse.history import PodHistory, build_histories
from podready.rehearse.load.plan import (
    Connection,
    DialerTarget,
    LoadPlan,
    Outcome,
    RequestKind,
    Sample,
    TcpTarget,
)
from podready.rehearse.load.process import LoadProcess
from podready.rehearse.load.summary import LoadSummary, bins, latency
from podready.rehearse.observer import ClusterObserver
from podready.rehearse.result import Bin, Cause, RehearsalResult, ScenarioResult
from podready.rehearse.scenario import Scenario
from podready.rehearse.target import RehearsalTarget
from podready.rehearse.timeline import Window, lanes
from podready.rehearse.verdict import gap_ms_95, verdict_of

WARM_UP_SECONDS: Final = 2.0
"""Load before the action, so that keep-alive connections exist and the graph has a "before"."""

SETTLE_SECONDS: Final = 1.0
"""Load after the last pod went and the last proxy noticed it."""

LAG_SPREAD: Final = 1.5
"""A node's lag varies by half of its mean (cluster/proxy/views.py): the slowest takes this much."""

TICK_SECONDS: Final = 0.2
_BINS: Final = 150


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a live view shows between two lines."""

    scenario: str
    sent: int
    dropped: int
    pods: str
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class ProgressListener(Protocol):
    """What shows a rehearsal while it runs."""

    def log(self, line: str) -> None:
        """Show one line of progress."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the present counts; called several times a second."""


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """The parameters of a rehearsal; seconds."""

    project: str
    target: RehearsalTarget
    manifests: tuple[Manifest, ...]
    """What to create or update first; empty where the app is deployed already."""
    scenarios: tuple[Scenario, ...]
    load_target: DialerTarget | TcpTarget
    requests: tuple[RequestKind, ...]
    rate: float
    rounds: int = 1
    endpoint_lag: float = 1.0
    seed: int = 0
    streams: tuple[str, ...] = ()
    one_way_delay: float = 0.0
    """How long a request travels: half of the round trip that loopback does not have."""
    start_timeout: float = 60.0
    journal: Path | None = None
    app: str = ""
    command: str = ""
    command_line: str = ""
    command_at: str = ""
    settings: dict[str, str | int | float] = field(default_factory=dict)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    limits: tuple[str, ...] = ()


async def rehearse(
    plan: RehearsalPlan, api: KubernetesApi, listener: ProgressListener, clock: Clock = SYSTEM_CLOCK
) -> RehearsalResult:
    """Deploy, wait until ready, play every scenario and return what was found.

    Raises AppError when the app does not start and ManifestError when an object is refused.
    """
    async with api.translated_errors(), ClusterObserver(api, plan.target, clock) as observer:
        driver = Driver(api, plan.target, observer, listener.log, clock)
        await driver.apply(plan.manifests)
        begun = clock.monotonic()
        listener.log(f"waiting for Deployment {plan.target.deployment} to be available")
        await driver.wait_until_available(plan.start_timeout)
        ready = clock.monotonic() - begun
        listener.log(f"{observer.summary()} after {ready:.1f} s")
        # The first endpoints lag like all others: load that came sooner would find no pod and
        # blame the app for it.
        await asyncio.sleep(plan.endpoint_lag * LAG_SPREAD)
        runner = _Runner(plan, driver, listener, clock)
        runs = [await runner.run(scenario) for scenario in plan.scenarios]
    return _result(plan, runs, ready)


@dataclass(frozen=True, slots=True)
class _Run:
    result: ScenarioResult
    rollouts: float
    """How many full rollouts' worth of evidence it gave."""


def _result(plan: RehearsalPlan, runs: list[_Run], ready: float) -> RehearsalResult:
    scenarios = tuple(one.result for one in runs)
    facts = {"app available after, s": round(ready, 2), **plan.facts}
    return RehearsalResult(
        verdict=verdict_of(scenarios),
        sent=sum(scenario.sent for scenario in scenarios),
        dropped=sum(scenario.dropped for scenario in scenarios),
        gap_ms_95=gap_ms_95(plan.rate, scenarios, [one.rollouts for one in runs]),
        scenarios=scenarios,
        project=plan.project,
        settings=plan.settings,
        facts=facts,
        limits=plan.limits,
        findings=manifest_findings(plan.target),
    )


class _Runner:
    """Plays one scenario after the other on a running app."""

    def __init__(
        self, plan: RehearsalPlan, driver: Driver, listener: ProgressListener, clock: Clock
    ) -> None:
        self._plan, self._driver, self._listener, self._clock = plan, driver, listener, clock

    @property
    def _propagation(self) -> float:
        """Return the seconds after which the last proxy has seen any change."""
        return self._plan.endpoint_lag * LAG_SPREAD + 0.5

    async def run(self, scenario: Scenario) -> _Run:
        """Return what happened: load on, action, wait until all is quiet, load off."""
        self._listener.log(f"{scenario.title}: {scenario.holds}")
        if scenario.prepare is not None:
            await scenario.prepare(self._driver)
        await asyncio.sleep(self._propagation)  # proxies see the ready pods later than the API does
        load = LoadProcess(self._load_plan(scenario))
        try:
            await load.start()
            async with self._shown(scenario, load):
                failure = await self._act(scenario)
            samples, summary = await load.stop()
        finally:
            await load.kill()
        return self._judge(scenario, samples, summary, failure)

    async def _act(self, scenario: Scenario) -> str:
        """Play the action in every round under load; return why it failed, "" when it did not."""
        await asyncio.sleep(WARM_UP_SECONDS)
        try:
            for _ in range(self._plan.rounds):
                await scenario.action(self._driver)
                await self._driver.wait_until_quiet()
                await asyncio.sleep(self._propagation + SETTLE_SECONDS)
        except ScenarioError as error:
            return str(error)
        return ""

    def _load_plan(self, scenario: Scenario) -> LoadPlan:
        folder = self._plan.journal.parent if self._plan.journal else None
        return LoadPlan(
            target=self._plan.load_target,
            rate=self._plan.rate,
            requests=self._plan.requests,
            seed=self._plan.seed,
            # One folder for all of a run, so that one sweep finds what a killed one left.
            samples=str(folder / f"{scenario.name}.jsonl") if folder else "",
            streams=self._plan.streams,
            host=self._plan.target.service,
            one_way_delay=self._plan.one_way_delay,
        )

    @contextlib.asynccontextmanager
    async def _shown(self, scenario: Scenario, load: LoadProcess) -> AsyncIterator[None]:
        showing = asyncio.create_task(self._show(scenario, load))
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def _show(self, scenario: Scenario, load: LoadProcess) -> None:
        while True:
            self._listener.show(snapshot(scenario, load.progress, self._driver.observer.summary()))
            await asyncio.sleep(TICK_SECONDS)

    def _judge(
        self, scenario: Scenario, samples: list[Sample], summary: LoadSummary, failure: str
    ) -> _Run:
        plan = self._plan
        window = Window(summary.started, max([summary.stopped, *(s.done for s in samples)]))
        histories = self._histories(window)
        rollouts = plan.rounds * scenario.share(plan.target.replicas)
        context = self._advice_context(scenario, samples, rollouts)
        diagnosis = diagnose(samples, histories, context, window.start)
        result = summarize(scenario, samples, summary, window, diagnosis)
        result = replace(
            result,
            rollouts=plan.rounds,
            failure=_failure(failure, diagnosis.findings),
            lanes=lanes(histories.values(), window),
        )
        self._listener.log(_outcome(result))
        return _Run(result, rollouts * summary.punctual_share)

    def _histories(self, window: Window) -> dict[str, PodHistory]:
        """Return the pods of this scenario: those that ended before it are no part of it."""
        plan, seen = self._plan, self._driver.observer.seen
        facts = read_journal(plan.journal) if plan.journal else []
        target = plan.target
        built = build_histories(
            facts, seen.pods, seen.endpoints, target.service_key, target.pod_port
        )
        return {
            pod: history
            for pod, history in built.items()
            if history.gone is None or history.gone > window.start
        }

    def _advice_context(
        self, scenario: Scenario, samples: list[Sample], rollouts: float
    ) -> AdviceContext:
        plan = self._plan
        answered = [s.done - s.sent for s in samples if s.outcome is Outcome.OK]
        shares = dict(self._load_plan(scenario).connections)
        return AdviceContext(
            rate=plan.rate,
            endpoint_lag=plan.endpoint_lag,
            share_new=shares.get(Connection.NEW, 0.0) / sum(shares.values()),
            rollouts=rollouts,
            replicas=plan.target.replicas,
            container=plan.target.container,
            app=plan.app,
            slowest=max(answered, default=0.0),
            command=plan.command,
            command_line=plan.command_line,
            command_at=plan.command_at,
        )


def summarize(
    scenario: Scenario,
    samples: list[Sample],
    summary: LoadSummary,
    window: Window,
    diagnosis: Diagnosis,
) -> ScenarioResult:
    """Return the scenario's numbers; its lanes, rounds and failure are added by the caller."""
    percentiles = latency(samples)
    seconds = window.end - window.start
    width = max(0.1, round(seconds / _BINS, 1))
    return ScenarioResult(
        name=scenario.name,
        title=scenario.title,
        sent=sum(1 for sample in samples if sample.outcome is not Outcome.CAP),
        dropped=len(lost_samples(samples)),
        p50_ms=round(percentiles.p50_ms, 2),
        p99_ms=round(percentiles.p99_ms, 2),
        p999_ms=round(percentiles.p999_ms, 2),
        max_ms=round(percentiles.max_ms, 2),
        seconds=round(seconds, 2),
        rollouts=1,
        causes=diagnosis.causes,
        findings=(*diagnosis.findings, *stream_findings(summary.streams)),
        inconclusive=summary.doubt(),
        losses=diagnosis.losses,
        bins=tuple(_bin(one) for one in bins(samples, window.start, width)),
        generator=_generator(summary),
    )


def snapshot(scenario: Scenario, progress: dict[str, Any], pods: str) -> Snapshot:
    """Return the latest progress of the load process, beside the pods."""
    return Snapshot(
        scenario=scenario.title,
        sent=int(progress.get("sent", 0)),
        dropped=int(progress.get("dropped", 0)),
        pods=pods,
        p50_ms=float(progress.get("p50_ms", 0.0)),
        p99_ms=float(progress.get("p99_ms", 0.0)),
    )


def _bin(one: Any) -> Bin:
    return Bin(round(one.at, 3), one.sent, one.dropped, round(one.p50_ms, 2), round(one.p99_ms, 2))


def _generator(summary: LoadSummary) -> dict[str, float]:
    return {
        "lag_p50_ms": round(summary.lag_p50_ms, 2),
        "lag_p99_ms": round(summary.lag_p99_ms, 2),
        "lag_max_ms": round(summary.lag_max_ms, 2),
        "late_share": round(summary.late_share, 4),
        "cpu_percent": round(summary.cpu_percent, 1),
        "cpu_us_per_request": round(summary.cpu_us_per_request, 1),
        "connections": summary.connections,
    }


def _failure(failure: str, findings: tuple[Cause, ...]) -> str:
    """Return why the scenario failed: its action, or pods that had to be killed."""
    if failure or not findings:
        return failure
    return "pods did not stop within their grace period and ended in SIGKILL"


def _outcome(result: ScenarioResult) -> str:
    rest = f" · {result.failure}" if result.failure else ""
    return (
        f"{result.title}: {result.dropped} of {result.sent:,} requests dropped · "
        f"p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms{rest}"
    )
