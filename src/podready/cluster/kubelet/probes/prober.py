"""One probe of one running container, run again and again (pkg/kubelet/prober/worker.go).

The first run comes at a random point of the first period, because on a real node the worker's
ticks know nothing of when a container starts. A readiness probe runs at once, besides, whenever
the pod's status changes while the container is not ready.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podready.cluster.kubelet.probes.probe import ProbeKind, ProbeResult, Thresholds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podready.clock import Clock


@dataclass(frozen=True, slots=True)
class ProberHooks:
    """What a prober needs from its container, and the callbacks for its results."""

    run: Callable[[], Awaitable[ProbeResult]]
    may_run: Callable[[], bool]
    on_result: Callable[[ProbeKind, ProbeResult], None]
    on_change: Callable[[ProbeKind, bool, ProbeResult], None]


class Prober:
    """Runs a probe by its period and counts equal results; `ok` is the state they settled on.

    `on_change` is called with each new state; a failed startup or liveness probe, and a startup
    probe that succeeded, ends the prober: the container's next run gets a new one.
    """

    def __init__(
        self, kind: ProbeKind, numbers: Thresholds, hooks: ProberHooks, clock: Clock, phase: float
    ) -> None:
        self.kind = kind
        self.ok = kind is ProbeKind.LIVENESS
        self._numbers = numbers
        self._hooks = hooks
        self._clock = clock
        self._phase = phase
        self._began = clock.monotonic()
        self._triggered = asyncio.Event()
        self._last: bool | None = None
        self._equal = 0

    def trigger(self) -> None:
        """Run once now, if this is a readiness probe that has not succeeded."""
        if self.kind is ProbeKind.READINESS and not self.ok:
            self._triggered.set()

    async def run(self) -> None:
        """Probe until cancelled, or until there is nothing left to find out."""
        await self._pause(self._phase * self._numbers.period)
        while True:
            began = self._clock.monotonic()
            if self._is_due() and self._take(await self._hooks.run()):
                return
            await self._pause(began + self._numbers.period - self._clock.monotonic())

    async def _pause(self, seconds: float) -> None:
        """Wait for the next tick, or for a trigger, from which the ticks then count."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._triggered.wait()
        except TimeoutError:
            pass
        self._triggered.clear()

    def _is_due(self) -> bool:
        ran = int(self._clock.monotonic() - self._began)
        return ran >= self._numbers.initial_delay and self._hooks.may_run()

    def _take(self, result: ProbeResult) -> bool:
        """Count a result; True when the prober's work is done."""
        self._hooks.on_result(self.kind, result)
        self._equal = self._equal + 1 if result.ok == self._last else 1
        self._last = result.ok
        needed = self._numbers.success if result.ok else self._numbers.failure
        if self._equal < needed:
            return False
        first = self.kind is ProbeKind.STARTUP  # its first verdict counts, either way
        if result.ok != self.ok or first:
            self.ok = result.ok
            self._hooks.on_change(self.kind, result.ok, result)
        return first or (self.kind is ProbeKind.LIVENESS and not result.ok)
