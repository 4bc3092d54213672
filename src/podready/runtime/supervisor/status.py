"""The pod's status as the supervisor sees it: all probes are answered from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.contract import Phase
from podready.runtime.admin.probes import PodStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.admin.worker_handle import WorkerHandle
    from podready.runtime.supervisor.state import State

Silence = float | None
"""Seconds without a heartbeat, if they are too many and the worker's own fault."""


def status_of(
    state: State, *, serving: bool, stalled: Callable[[WorkerHandle, float], Silence]
) -> PodStatus:
    """Return all that a probe's answer depends on, as it is now, without asking a worker.

    `serving` says whether the main listener answers; `stalled` returns a worker's silence.
    """
    lifecycle = state.lifecycle
    now = state.loop.time()
    live = [each for each in state.workers if each.serves]
    unready = {name for worker in live for name in worker.unready(now)}
    if not live:
        unready.add("no-worker")
    starting = [worker for worker in state.workers if not worker.listening]
    return PodStatus(
        phase=lifecycle.phase,
        started=lifecycle.since(Phase.READY) is not None,
        startup_phase=starting[0].startup_phase if starting else lifecycle.phase,
        elapsed=now - lifecycle.started_at,
        limit=state.config.startup_timeout,
        serving=serving,
        unready=tuple(sorted(unready)),
        unhealthy=next((each.health.unhealthy for each in live if each.health.unhealthy), None),
        stalled=_silence_of_all(live, now, stalled) if lifecycle.phase is Phase.READY else None,
        serves_draining=state.config.drain_readiness == "serve",
        progress=starting[0].progress if starting else None,
        details={"workers": [_facts(worker, now) for worker in state.workers]},
    )


def _silence_of_all(
    live: list[WorkerHandle], now: float, stalled: Callable[[WorkerHandle, float], Silence]
) -> Silence:
    """Return the shortest silence, None when a worker is not silent or there is none."""
    silences = [stalled(worker, now) for worker in live]
    known = [each for each in silences if each is not None]
    return min(known) if known and len(known) == len(silences) else None


def _facts(worker: WorkerHandle, now: float) -> dict[str, Any]:
    heartbeat = worker.heartbeat._asdict()
    del heartbeat["tasks"], heartbeat["serving"]
    return {
        "pid": worker.pid,
        "stage": worker.startup_phase,
        "age": round(now - worker.born, 3),
        "last_heartbeat": round(now - worker.last_heartbeat, 3),
        "retiring": worker.retiring,
        **heartbeat,
        "checks": worker.health.checks,
        "unready": worker.health.unready,
        "unhealthy": worker.health.unhealthy,
    }
