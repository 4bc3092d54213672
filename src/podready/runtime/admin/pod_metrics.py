"""The metrics of the pod itself: phases, checks, workers, processes, the budget."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from podready._version import __version__
from podready.contract import READYZ, Phase
from podready.runtime.admin.probes import answer_probe
from podready.runtime.logs import dropped_lines
from podready.runtime.metrics import families as metrics
from podready.runtime.metrics.families import Family, label_text
from podready.runtime.metrics.process import process_facts
from podready.runtime.metrics.throttling import throttled_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podready.runtime.admin.pod import Pod
    from podready.runtime.admin.worker_handle import WorkerExit, WorkerHandle
    from podready.runtime.metrics.aggregate import Totals

Sample = tuple[Family, tuple[str, ...], float]
"""A family, its label values and its value."""


class PodMetrics:
    """Collects the numbers at each scrape; only exits and startup phases are recorded before."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        # Known from the start, or the first exit would be no increase for Prometheus.
        self._exits = {"0": 0, "1": 0, "SIGKILL": 0} if pod.supervised else {}
        self._durations: dict[str, float] = {}
        self._phases: dict[int, tuple[str, float]] = {}

    def record_phase(self, worker: WorkerHandle, phase: str) -> None:
        """Record that a worker has entered a phase of its start."""
        now = self._pod.loop.time()
        before, since = self._phases.get(worker.pid, ("forked", worker.born))
        if phase != before:
            self._durations[before] = now - since
            self._phases[worker.pid] = (phase, now)

    def record_exit(self, ended: WorkerExit) -> None:
        """Record how a worker ended."""
        how = signal.Signals(-ended.code).name if ended.code < 0 else str(ended.code)
        self._exits[how] = self._exits.get(how, 0) + 1
        self._phases.pop(ended.worker.pid, None)

    def add_to(self, totals: Totals) -> None:
        """Add all samples, to those of the workers where both count the same thing."""
        for family, values, value in self._samples():
            series = totals.setdefault(family, {})
            labels = label_text(family, *values)
            series[labels] = (series.get(labels, (0.0,))[0] + value,)

    def _samples(self) -> Iterator[Sample]:
        yield from self._life()
        yield from self._checks()
        yield from self._workers()
        yield from self._processes()
        if self._pod.supervised:  # else this process is a worker, which counts its own
            yield metrics.LOG_DROPPED, (), dropped_lines()
        throttled = throttled_seconds()
        if throttled is not None:
            yield metrics.THROTTLED, (), throttled
        yield metrics.BUILD_INFO, self._build(), 1

    def _build(self) -> tuple[str, str, str]:
        return __version__, sys.version.split()[0], self._pod.server

    def _life(self) -> Iterator[Sample]:
        pod = self._pod
        lifecycle = pod.lifecycle
        for phase in Phase:
            yield metrics.STATE, (phase.value,), phase is lifecycle.phase
        ready = answer_probe(READYZ, pod.status(), verbose=False)
        yield metrics.SERVING, (), ready is not None and ready.status == 200
        draining = lifecycle.since(Phase.DRAINING)
        drained = 0.0 if draining is None else pod.loop.time() - draining
        yield metrics.DRAIN_SECONDS, (), round(drained, 3)
        for step, seconds in self._durations.items():
            yield metrics.STARTUP_STEP_SECONDS, (step,), round(seconds, 6)
        for part, seconds in asdict(pod.config.budget()).items():
            yield metrics.BUDGET_SECONDS, (part,), seconds

    def _checks(self) -> Iterator[Sample]:
        good: dict[tuple[str, str], bool] = {}
        for worker in self._pod.workers:
            for name, facts in worker.health.checks.items():
                key = (name, "true" if facts["critical"] else "false")
                good[key] = good.get(key, True) and facts["state"] != "bad"
        for key, passes in good.items():
            yield metrics.CHECK_STATUS, key, passes

    def _workers(self) -> Iterator[Sample]:
        workers = list(self._pod.workers)
        heartbeats = [worker.heartbeat for worker in workers]
        yield metrics.WORKERS, (), sum(worker.listening for worker in workers)
        yield metrics.IN_FLIGHT, (), sum(each.inflight for each in heartbeats)
        yield metrics.STREAMS, (), sum(each.streams for each in heartbeats)
        if self._pod.supervised:  # the server of a wrapped app does not say how many it has
            yield metrics.CONNECTIONS, (), sum(each.connections for each in heartbeats)
        for how, number in self._exits.items():
            yield metrics.WORKER_EXITS, (how,), number

    def _processes(self) -> Iterator[Sample]:
        named = [("supervisor", os.getpid())] if self._pod.supervised else []
        named += [(str(worker.slot), worker.pid) for worker in self._pod.workers]
        for name, pid in named:
            facts = process_facts(pid)
            if facts is None:
                continue
            yield metrics.PROCESS_CPU, (name,), facts.cpu
            yield metrics.PROCESS_MEMORY, (name,), facts.memory
            yield metrics.PROCESS_START, (name,), round(facts.started, 2)
            if facts.fds is not None:
                yield metrics.PROCESS_FDS, (name,), facts.fds
            if facts.max_fds is not None:
                yield metrics.PROCESS_MAX_FDS, (name,), facts.max_fds
