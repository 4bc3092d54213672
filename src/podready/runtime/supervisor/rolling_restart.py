"""Replacing workers one by one, the new one first (rolling restart and recycling).

A worker is retired only once its successor accepts, so the pod never serves with fewer; a
successor that does not start leaves everything as it was.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from podready.runtime.logs import log_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.admin.worker_handle import WorkerExit, WorkerHandle
    from podready.runtime.supervisor.workers import WorkerPool


class RollingRestart:
    """The queue of workers to replace, and the one that is being replaced.

    `fork` asks for one more worker, `retire` lets a worker finish what it has and end.
    """

    def __init__(
        self,
        workers: WorkerPool,
        fork: Callable[[], None],
        retire: Callable[[WorkerHandle], None],
    ) -> None:
        self._workers = workers
        self._fork = fork
        self._retire = retire
        self._queue: deque[tuple[WorkerHandle, str]] = deque()
        self._old: WorkerHandle | None = None
        self._successor: WorkerHandle | None = None
        self._awaiting_fork = False

    def replace_all(self) -> None:
        """Replace every worker, on SIGHUP."""
        log_event("INFO", "SIGHUP: replacing the workers one by one")
        for worker in self._workers:
            self.replace(worker, "SIGHUP")

    def replace(self, worker: WorkerHandle, reason: str) -> None:
        """Replace one worker when its turn comes; a second request for it is ignored."""
        if worker.retiring or any(worker is queued for queued, _ in self._queue):
            return
        self._queue.append((worker, reason))
        self._next()

    def _next(self) -> None:
        if self._old is not None or not self._queue:
            return
        worker, reason = self._queue.popleft()
        if worker not in self._workers:
            self._next()
            return
        log_event("INFO", f"replacing worker {worker.pid}: {reason}", worker=worker.pid)
        self._old, self._awaiting_fork = worker, True
        self._fork()

    def forked(self, worker: WorkerHandle) -> None:
        """Note a new worker; it is the successor if one was asked for."""
        if self._awaiting_fork:
            self._awaiting_fork, self._successor = False, worker

    def listening(self, worker: WorkerHandle) -> None:
        """Retire the old worker once its successor accepts."""
        if worker is not self._successor or self._old is None:
            return
        self._successor = None
        self._retire(self._old)

    def exited(self, ended: WorkerExit) -> bool:
        """Note a worker's end; True when it belongs to a replacement and needs no other."""
        if ended.worker is self._old:
            # Retired as planned, or dead before its turn: then the successor takes its place.
            self._old = self._successor = None
            self._next()
            return True
        if ended.worker is self._successor:
            failure = ended.worker.failure
            reason = failure.message if failure else f"it {ended.text}"
            log_event("ERROR", f"the new worker did not start, the old ones stay: {reason}")
            self._successor = self._old = None
            self._queue.clear()
            return True
        return False
