"""GET /metrics: one page for all workers, made by the process that has the admin port.

The workers' cells are in shared memory, so they are read without asking the workers. The registry
of an app that uses prometheus_client is in the worker's heap, so that worker is asked for it; after
a second without an answer the page shows the last text it had.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from podready.runtime.admin.pod_metrics import PodMetrics
from podready.runtime.admin.probes import Answer, Deferred
from podready.runtime.loop.messages import RegistryRequest, RegistryText
from podready.runtime.metrics.aggregate import Aggregate, exemplars
from podready.runtime.metrics.app_registry import merge_texts
from podready.runtime.metrics.exposition import OPENMETRICS, PLAIN, Renderer, wants_openmetrics
from podready.runtime.metrics.families import DRAIN_LAST_NEW_REQUEST, FAMILIES, HOOK_SECONDS

if TYPE_CHECKING:
    from podready.runtime.admin.pod import Pod
    from podready.runtime.admin.server import Request
    from podready.runtime.admin.worker_handle import WorkerExit, WorkerHandle
    from podready.runtime.loop.loop import Timer
    from podready.runtime.metrics.shared import MetricsSegment

_TIMEOUT: Final = 1.0
"""Seconds that workers have to render the app's registry; Prometheus itself waits 10."""

_TAKEN: Final = frozenset(
    name for family in FAMILIES for name in (family.name, family.name.removesuffix("_total"))
)
"""Names that a family of the app's registry cannot have here; it brings process_* of its own."""


class MetricsPage:
    """Answers scrapes, one at a time where workers must be asked."""

    def __init__(self, pod: Pod, retired: MetricsSegment | None = None) -> None:
        self._pod = pod
        self._own = PodMetrics(pod)
        self._aggregate = Aggregate(retired)
        self._renderer = Renderer()
        self._texts: dict[tuple[int, bool], str] = {}
        self._waiting: deque[tuple[bool, Deferred]] = deque()
        self._asked: set[int] = set()
        self._request_id = 0
        self._timer: Timer | None = None

    def answer(self, request: Request) -> Answer | Deferred:
        """Return the page; later, when the app's own metrics must be fetched first."""
        openmetrics = wants_openmetrics(request.headers.get("accept", ""))
        if not self._askable():
            return self._page(openmetrics)
        deferred = Deferred()
        self._waiting.append((openmetrics, deferred))
        if len(self._waiting) == 1:
            self._ask()
        return deferred

    def record_phase(self, worker: WorkerHandle, phase: str) -> None:
        """Record that a worker has entered a phase of its start."""
        self._own.record_phase(worker, phase)

    def record_exit(self, ended: WorkerExit) -> None:
        """Keep the numbers of a worker that has ended, and how it ended."""
        self._own.record_exit(ended)
        self.record_gone(ended.worker)

    def record_gone(self, worker: WorkerHandle) -> None:
        """Keep the numbers of a worker that is gone."""
        self.retire(worker.segment)
        for openmetrics in (False, True):
            self._texts.pop((worker.pid, openmetrics), None)
        self._answered(worker.pid)

    def retire(self, segment: MetricsSegment) -> None:
        """Add a segment to what ended processes have counted, unless that was done before."""
        self._aggregate.retire(segment)

    def receive(self, worker: WorkerHandle, message: RegistryText) -> None:
        """Take the text that a worker has written to its shared memory."""
        if message.request_id != self._request_id:
            return  # it comes too late: the worker may be writing the next one already
        if message.size:
            text = worker.segment.read_text(message.size)
            self._texts[worker.pid, message.openmetrics] = text
        self._answered(worker.pid)

    def drain_facts(self) -> dict[str, object]:
        """Return what the drain was like, for the log: the last scrape may come before its end."""
        totals = self._aggregate.totals(worker.segment for worker in self._pod.workers)
        late = totals.get(DRAIN_LAST_NEW_REQUEST, {}).get("")
        hooks = totals.get(HOOK_SECONDS, {})
        facts: dict[str, object] = {}
        if late is not None:
            facts["last_new_request"] = round(late[0], 6)
        if hooks:
            facts["hooks"] = {each[6:-1]: round(took[0], 3) for each, took in hooks.items()}
        return facts

    # Asking

    def _askable(self) -> list[WorkerHandle]:
        """Return the workers whose registry belongs on the page: the youngest, if one serves."""
        workers = [each for each in self._pod.workers if each.heartbeat.registry]
        return workers if self._pod.several else workers[-1:]

    def _ask(self) -> None:
        openmetrics, _ = self._waiting[0]
        self._request_id += 1
        workers = self._askable()
        self._asked = {worker.pid for worker in workers}
        self._timer = self._pod.loop.call_later(_TIMEOUT, self._finish)
        for worker in workers:
            worker.channel.send(RegistryRequest(openmetrics, self._request_id))
        if not workers:
            self._finish()

    def _answered(self, pid: int) -> None:
        if pid in self._asked:
            self._asked.discard(pid)
            if not self._asked:
                self._finish()

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._asked = set()
        openmetrics, deferred = self._waiting.popleft()
        deferred.set_result(self._page(openmetrics))
        if self._waiting:
            self._ask()

    # Drawing

    def _page(self, openmetrics: bool) -> Answer:
        segments = [worker.segment for worker in self._pod.workers]
        totals = self._aggregate.totals(segments)
        self._own.add_to(totals)
        marks = exemplars(segments) if openmetrics else {}
        text = self._renderer.page(
            totals, self._app_text(openmetrics).encode(), openmetrics=openmetrics, exemplars=marks
        )
        return Answer(200, text, OPENMETRICS if openmetrics else PLAIN)

    def _app_text(self, openmetrics: bool) -> str:
        texts = {
            str(worker.slot): self._texts[worker.pid, openmetrics]
            for worker in self._askable()
            if (worker.pid, openmetrics) in self._texts
        }
        return merge_texts(texts, _TAKEN, label=self._pod.several)
