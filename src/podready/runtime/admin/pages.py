"""The pages of the admin port: each request goes to the part that answers it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from podready._version import __version__
from podready.contract import READYZ
from podready.runtime.admin.loggers import PATH as LOGGERS
from podready.runtime.admin.loggers import Loggers
from podready.runtime.admin.metrics import MetricsPage
from podready.runtime.admin.probes import Answer, Deferred, answer_group, answer_probe
from podready.runtime.options.kinds import SECRET
from podready.runtime.run_config import OPTIONS

if TYPE_CHECKING:
    from podready.runtime.admin.pod import Pod
    from podready.runtime.admin.server import Request

_SET = "**********"
_GROUPS = "/health/"


class Pages:
    """Answers requests to the admin port."""

    def __init__(self, pod: Pod, metrics: MetricsPage, loggers: Loggers) -> None:
        self._pod = pod
        self._metrics = metrics
        self._loggers = loggers

    def answer(self, request: Request) -> Answer | Deferred:
        """Return the answer to `request`; details are for callers who are trusted only."""
        if request.path == "/metrics":
            return self._metrics.answer(request)
        group = group_of(request)
        if group is not None:
            return self._group(group)
        verbose = "verbose" in request.query and self.trusts(request)
        probe = answer_probe(request.path, self._pod.status(), verbose=verbose)
        if probe is not None:
            return probe
        if request.path == LOGGERS or request.path.startswith(f"{LOGGERS}/"):
            return self.refusal(request) or self._loggers.answer(request)
        page = {"/tasks": self._tasks, "/info": self._info, "/config": self._config}.get(
            request.path
        )
        if page is None:
            return Answer(404, b"not found\n", "text/plain")
        return self.refusal(request) or Answer(200, json.dumps(page(), default=str).encode())

    def trusts(self, request: Request) -> bool:
        """Whether the caller may see details: from inside the pod, or with the token."""
        token = self._pod.config.admin_token
        if request.loopback or token is None:
            return request.loopback
        from hmac import compare_digest

        return compare_digest(request.headers.get("authorization", ""), f"Bearer {token}")

    def refusal(self, request: Request) -> Answer | None:
        """Return the answer for a caller who is not trusted; None for one who is."""
        if self.trusts(request):
            return None
        if self._pod.config.admin_token is not None:
            return Answer(401, b"needs the admin token\n", "text/plain")
        return Answer(403, b"only from inside the pod\n", "text/plain")

    def _group(self, name: str) -> Answer:
        """Answer for one group of checks: it fails when it fails in any worker."""
        now = self._pod.loop.time()
        live = [each for each in self._pod.workers if each.serves]
        known = [each for one in live if (each := one.failing_in(name, now)) is not None]
        if live and not known:
            return Answer(404, b"no check is in this group\n", "text/plain")
        failing = sorted({check for names in known for check in names})
        if not live:
            failing = ["no-worker"]
        return answer_group(failing)

    def _tasks(self) -> dict[str, Any]:
        """Return what is under way for more than a second, as of the last heartbeats."""
        now = self._pod.loop.time()
        return {
            "tasks": [
                {"worker": worker.pid, **work}
                for worker in self._pod.workers
                for work in worker.heartbeat.tasks
            ],
            "last_heartbeat": [
                round(now - worker.last_heartbeat, 3) for worker in self._pod.workers
            ],
        }

    def _config(self) -> dict[str, Any]:
        """Return the settings in force; of a secret only whether it is set."""
        return {
            option.name: _SET if option.kind is SECRET and value is not None else value
            for option in OPTIONS
            for value in [getattr(self._pod.config, option.name)]
        }

    def _info(self) -> dict[str, Any]:
        pod = self._pod
        return {
            "podready": __version__,
            "app": pod.config.app,
            "engine": pod.server,
            "phase": pod.lifecycle.phase,
            "uptime": round(pod.loop.time() - pod.lifecycle.started_at, 3),
            "budget": asdict(pod.config.budget()),
        }


def group_of(request: Request) -> str | None:
    """Return the group of checks that `/health/NAME` or `/readyz?group=NAME` asks for."""
    if request.path.startswith(_GROUPS):
        return request.path.removeprefix(_GROUPS)
    if request.path != READYZ:
        return None
    asked = (part.removeprefix("group=") for part in request.query if part.startswith("group="))
    return next(asked, None)
