"""The pages of the admin port, drawn from what the supervisor remembers; nobody is asked."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from podready import __version__
from podready.contract import READYZ, Phase
from podready.runtime.answers import Answer, Later, Standing, answer_group, answer_probe
from podready.runtime.config import OPTIONS
from podready.runtime.loggers import PATH as LOGGERS
from podready.runtime.option_kinds import SECRET

if TYPE_CHECKING:
    from podready.runtime.admin import Request
    from podready.runtime.fleet import WorkerHandle
    from podready.runtime.supervisor import Supervisor

_INNER = frozenset({"kind", "works"})
_SET = "**********"
_GROUPS = "/health/"


class Pages:
    """Answers requests to the admin port."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def answer(self, request: Request) -> Answer | Later:
        """Return the answer to `request`; details are for callers who are trusted only."""
        if request.path == "/metrics":
            return self._supervisor.metrics.answer(request)
        group = group_of(request)
        if group is not None:
            return self._group(group)
        verbose = "verbose" in request.query and self.trusts(request)
        probe = answer_probe(request.path, self.standing(), verbose=verbose)
        if probe is not None:
            return probe
        if request.path == LOGGERS or request.path.startswith(f"{LOGGERS}/"):
            return self.refusal(request) or self._supervisor.loggers.answer(request)
        page = {"/tasks": self._tasks, "/info": self._info, "/config": self._config}.get(
            request.path
        )
        if page is None:
            return Answer(404, b"not found\n", "text/plain")
        return self.refusal(request) or Answer(200, json.dumps(page(), default=str).encode())

    def trusts(self, request: Request) -> bool:
        """Whether the caller may see details: from inside the pod, or with the token."""
        token = self._supervisor.config.admin_token
        if request.loopback or token is None:
            return request.loopback
        from hmac import compare_digest

        return compare_digest(request.headers.get("authorization", ""), f"Bearer {token}")

    def refusal(self, request: Request) -> Answer | None:
        """Return the answer for a caller who is not trusted; None for one who is."""
        if self.trusts(request):
            return None
        if self._supervisor.config.admin_token is not None:
            return Answer(401, b"needs the admin token\n", "text/plain")
        return Answer(403, b"only from inside the pod\n", "text/plain")

    def _group(self, name: str) -> Answer:
        """Answer for one group of checks: as the worker says that stands worst."""
        supervisor = self._supervisor
        now = supervisor.loop.time()
        live = [each for each in supervisor.fleet if each.listening and not each.retiring]
        known = [found for each in live if (found := each.failing_in(name, now)) is not None]
        if live and not known:
            return Answer(404, b"no check is in this group\n", "text/plain")
        failing = sorted({check for found in known for check in found})
        if not live:
            failing = ["no-worker"]
        return answer_group(failing)

    def standing(self) -> Standing:
        """Return all that a probe's answer depends on, as it is now."""
        supervisor = self._supervisor
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
            broken=next((said for each in live if (said := each.state.get("broken"))), None),
            stalled=self._stalled(live, now),
            serves_draining=supervisor.config.drain_readiness == "serve",
            progress=starting[0].progress if starting else None,
            details={"workers": [_facts(worker, now) for worker in supervisor.fleet]},
        )

    def _stalled(self, live: list[WorkerHandle], now: float) -> float | None:
        """Return how long every worker has been silent, if none beats any more."""
        if self._supervisor.lifecycle.phase is not Phase.READY or not live:
            return None
        silences = [self._supervisor.upkeep.stalled(worker, now) for worker in live]
        return None if None in silences else min(each for each in silences if each is not None)

    def _tasks(self) -> dict[str, Any]:
        """Return what is under way for more than a second, as of the last heartbeats."""
        now = self._supervisor.loop.time()
        return {
            "tasks": [
                {"worker": worker.pid, **work}
                for worker in self._supervisor.fleet
                for work in worker.beat.get("works", ())
            ],
            "last_beat": [round(now - worker.last_beat, 3) for worker in self._supervisor.fleet],
        }

    def _config(self) -> dict[str, Any]:
        """Return the settings in force; a secret is told to be set, no more."""
        return {
            option.name: _SET if option.kind is SECRET and value is not None else value
            for option in OPTIONS
            for value in [getattr(self._supervisor.config, option.name)]
        }

    def _info(self) -> dict[str, Any]:
        supervisor = self._supervisor
        return {
            "podready": __version__,
            "app": supervisor.config.app,
            "engine": supervisor.config.engine,
            "phase": supervisor.lifecycle.phase,
            "uptime": round(supervisor.loop.time() - supervisor.lifecycle.started_at, 3),
            "budget": asdict(supervisor.config.budget()),
        }


def group_of(request: Request) -> str | None:
    """Return the group of checks that `/health/NAME` or `/readyz?group=NAME` asks for."""
    if request.path.startswith(_GROUPS):
        return request.path.removeprefix(_GROUPS)
    if request.path != READYZ:
        return None
    asked = (part.removeprefix("group=") for part in request.query if part.startswith("group="))
    return next(asked, None)


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
