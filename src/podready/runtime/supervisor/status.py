"""How the pod stands, as its supervisor knows it: what every probe is answered from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.contract import Phase
from podready.runtime.admin.probes import Standing

if TYPE_CHECKING:
    from podready.runtime.supervisor.supervisor import Supervisor
    from podready.runtime.supervisor.workers import WorkerHandle

_INNER = frozenset({"kind", "works"})


def standing_of(supervisor: Supervisor) -> Standing:
    """Return all that a probe's answer depends on, as it is now; no worker is asked."""
    lifecycle = supervisor.lifecycle
    now = supervisor.loop.time()
    live = [each for each in supervisor.fleet if each.listening and not each.retiring]
    unready = {name for worker in live for name in worker.unready(now)}
    if not live:
        unready.add("no-worker")
    starting = [worker for worker in supervisor.fleet if not worker.listening]
    return Standing(
        phase=lifecycle.phase,
        started=lifecycle.since(Phase.READY) is not None,
        stage=starting[0].stage if starting else lifecycle.phase,
        elapsed=now - lifecycle.started_at,
        limit=supervisor.config.startup_timeout,
        serving=supervisor.readiness is not None and supervisor.readiness.serving,
        unready=tuple(sorted(unready)),
        unhealthy=next((why for each in live if (why := each.state.get("unhealthy"))), None),
        stalled=_stalled(supervisor, live, now),
        serves_draining=supervisor.config.drain_readiness == "serve",
        progress=starting[0].progress if starting else None,
        details={"workers": [_facts(worker, now) for worker in supervisor.fleet]},
    )


def _stalled(supervisor: Supervisor, live: list[WorkerHandle], now: float) -> float | None:
    """Return how long every worker has been silent, if none beats any more."""
    if supervisor.lifecycle.phase is not Phase.READY or not live:
        return None
    silences = [supervisor.upkeep.stalled(worker, now) for worker in live]
    return None if None in silences else min(each for each in silences if each is not None)


def _facts(worker: WorkerHandle, now: float) -> dict[str, Any]:
    return {
        "pid": worker.pid,
        "stage": worker.stage,
        "age": round(now - worker.born, 3),
        "last_beat": round(now - worker.last_beat, 3),
        "retiring": worker.retiring,
        **{key: value for key, value in worker.beat.items() if key not in _INNER},
        **worker.state.get("facts", {}),
    }
