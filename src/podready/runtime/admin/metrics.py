"""GET /metrics: one page for all workers, drawn by the supervisor.

The workers' cells lie in shared memory, so no worker is asked for them. Only an app that uses
prometheus_client itself is: its registry lives in the worker's heap. It has a second to answer,
then its last known text is shown.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.admin.pod_metrics import PodMetrics
from podready.runtime.admin.probes import Answer, Later
from podready.runtime.metrics.aggregate import Shelves, exemplars
from podready.runtime.metrics.app_registry import merge_texts
from podready.runtime.metrics.exposition import OPENMETRICS, PLAIN, Renderer, wants_openmetrics
from podready.runtime.metrics.families import DRAIN_LAST_NEW_REQUEST, FAMILIES, HOOK_SECONDS

if TYPE_CHECKING:
    from podready.runtime.admin.pod import Pod
    from podready.runtime.admin.server import Request
    from podready.runtime.loop.loop import Timer
    from podready.runtime.metrics.shared import Shelf
    from podready.runtime.supervisor.workers import Exit, WorkerHandle

_PATIENCE: Final = 1.0
"""Seconds that workers have to render the app's registry; Prometheus itself waits 10."""

_TAKEN: Final = frozenset(
    name for family in FAMILIES for name in (family.name, family.name.removesuffix("_total"))
)
"""Names that a family of the app's registry cannot have here; it brings process_* of its own."""


class MetricsPage:
    """Answers scrapes, one at a time where workers must be asked."""

    def __init__(self, pod: Pod, ledger: Shelf | None = None) -> None:
        self._pod = pod
        self._own = PodMetrics(pod)
        self._shelves = Shelves(ledger)
        self._renderer = Renderer()
        self._texts: dict[tuple[int, bool], str] = {}
        self._waiting: deque[tuple[bool, Later]] = deque()
        self._asked: set[int] = set()
        self._turn = 0
        self._timer: Timer | None = None

    def answer(self, request: Request) -> Answer | Later:
        """Return the page, or the promise of it when the app's own metrics must be fetched."""
        openmetrics = wants_openmetrics(request.headers.get("accept", ""))
        if not self._askable():
            return self._page(openmetrics)
        later = Later()
        self._waiting.append((openmetrics, later))
        if len(self._waiting) == 1:
            self._ask()
        return later

    def note_stage(self, worker: WorkerHandle, stage: str) -> None:
        """Note that a worker entered a stage of its start."""
        self._own.note_stage(worker, stage)

    def note_exit(self, ended: Exit) -> None:
        """Keep the numbers of a worker that has ended."""
        self._own.note_exit(ended)
        self.note_gone(ended.worker)

    def note_gone(self, worker: WorkerHandle) -> None:
        """Keep the numbers of a worker that is there no more."""
        self.retire(worker.shelf)
        for openmetrics in (False, True):
            self._texts.pop((worker.pid, openmetrics), None)
        self._answered(worker.pid)

    def retire(self, shelf: Shelf) -> None:
        """Add a shelf to what ended processes have counted, unless that was done before."""
        self._shelves.retire(shelf)

    def hear(self, worker: WorkerHandle, message: dict[str, Any]) -> None:
        """Take the text that a worker has left on its shelf."""
        if message["turn"] != self._turn:
            return  # it comes too late: the worker may be writing the next one already
        if message["bytes"]:
            text = worker.shelf.read_text(message["bytes"])
            self._texts[worker.pid, message["openmetrics"]] = text
        self._answered(worker.pid)

    def drain_facts(self) -> dict[str, object]:
        """Return what the drain was like, for the log: the last scrape may come before its end."""
        totals = self._shelves.totals(worker.shelf for worker in self._pod.fleet)
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
        """Return the workers whose registry belongs on the page: with one place, the youngest."""
        found = [each for each in self._pod.fleet if each.beat.get("registry")]
        return found if self._pod.several else found[-1:]

    def _ask(self) -> None:
        openmetrics, _ = self._waiting[0]
        self._turn += 1
        workers = self._askable()
        self._asked = {worker.pid for worker in workers}
        self._timer = self._pod.loop.call_later(_PATIENCE, self._finish)
        for worker in workers:
            worker.channel.send("registry", openmetrics=openmetrics, turn=self._turn)
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
        openmetrics, later = self._waiting.popleft()
        later.give(self._page(openmetrics))
        if self._waiting:
            self._ask()

    # Drawing

    def _page(self, openmetrics: bool) -> Answer:
        shelves = [worker.shelf for worker in self._pod.fleet]
        totals = self._shelves.totals(shelves)
        self._own.add_to(totals)
        marks = exemplars(shelves) if openmetrics else {}
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
