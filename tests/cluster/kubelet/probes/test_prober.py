"""When a probe runs and what its results add up to."""

from __future__ import annotations

import asyncio

import pytest

from podready.clock import SYSTEM_CLOCK
from podready.cluster.kubelet.probes.probe import ProbeKind, ProbeResult, Thresholds
from podready.cluster.kubelet.probes.prober import Prober, ProberHooks

FAST = {"initial_delay": 0.0, "period": 0.005, "timeout": 1.0}


class Container:
    """Answers probes from a script and hears what the prober says; then wants no more."""

    def __init__(self, script: str) -> None:
        self.script = list(script)
        self.changes: list[bool] = []
        self.failures = 0
        self.used_up = asyncio.Event()
        self.told = asyncio.Event()

    async def run(self) -> ProbeResult:
        if len(self.script) == 1:
            self.used_up.set()
        return ProbeResult(ok=self.script.pop(0) == "+")

    def may_run(self) -> bool:
        return bool(self.script)

    def hear(self, kind: ProbeKind, result: ProbeResult) -> None:
        self.failures += not result.ok

    def change(self, kind: ProbeKind, ok: bool, result: ProbeResult) -> None:
        self.changes.append(ok)
        self.told.set()

    def prober(self, kind: ProbeKind, success: int = 1, failure: int = 3) -> Prober:
        numbers = Thresholds(**FAST, success=success, failure=failure)
        hooks = ProberHooks(self.run, self.may_run, self.hear, self.change)
        return Prober(kind, numbers, hooks, SYSTEM_CLOCK, phase=0.0)


async def play(container: Container, prober: Prober) -> None:
    """Run the prober until the script is used up and its last result has been counted."""
    running = asyncio.create_task(prober.run())
    await container.used_up.wait()
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("script", "success", "changes"),
    [
        ("-+", 1, [True]),
        ("+--+--", 1, [True]),
        ("+---", 1, [True, False]),
        ("++-++", 3, []),
        ("+++---+++", 3, [True, False, True]),
    ],
)
async def test_readiness_needs_consecutive_results(
    script: str, success: int, changes: list[bool]
) -> None:
    """The state turns after so many equal results in a row, and not before."""
    container = Container(script)
    await play(container, container.prober(ProbeKind.READINESS, success=success))

    assert container.changes == changes
    assert container.failures == script.count("-")


async def test_liveness_gives_up_after_failing_for_good() -> None:
    """Successes are no news; the failure that counts ends the prober."""
    container = Container("+--+---++++")

    await asyncio.wait_for(container.prober(ProbeKind.LIVENESS).run(), 5)

    assert container.changes == [False]
    assert container.script == list("++++")


@pytest.mark.parametrize(("script", "verdict"), [("--+", True), ("---", False)])
async def test_startup_ends_with_its_verdict(script: str, verdict: bool) -> None:
    """A startup probe stops at its first success, or fails for good."""
    container = Container(script)

    await asyncio.wait_for(container.prober(ProbeKind.STARTUP).run(), 5)

    assert container.changes == [verdict]


async def test_a_trigger_runs_an_unready_probe_at_once() -> None:
    """With an hour's period, a trigger is what makes readiness come early; ready ones ignore it."""
    container = Container("+-")
    numbers = Thresholds(0.0, 3600.0, 1.0, 1, 1)
    hooks = ProberHooks(container.run, container.may_run, container.hear, container.change)
    prober = Prober(ProbeKind.READINESS, numbers, hooks, SYSTEM_CLOCK, phase=0.5)
    running = asyncio.create_task(prober.run())

    prober.trigger()
    await container.told.wait()
    prober.trigger()
    for _ in range(20):
        await asyncio.sleep(0)

    assert container.changes == [True]
    assert container.script == ["-"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_initial_delay_and_the_gate() -> None:
    """A probe does not run before its initial delay is over."""
    container = Container("+")
    numbers = Thresholds(3600.0, 0.001, 1.0, 1, 1)
    hooks = ProberHooks(container.run, container.may_run, container.hear, container.change)
    running = asyncio.create_task(
        Prober(ProbeKind.READINESS, numbers, hooks, SYSTEM_CLOCK, phase=0.0).run()
    )
    for _ in range(20):
        await asyncio.sleep(0.001)

    assert container.script == ["+"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_defaults_of_a_probe() -> None:
    """Kubernetes' defaults: 1 s timeout, 10 s period, 1 success, 3 failures."""
    assert Thresholds.of({}) == Thresholds(0.0, 10.0, 1.0, 1, 3)
