"""Replacing workers one by one, the new one first (rolling restart and recycling).

A worker is retired only once its successor accepts, so the pod never serves with fewer; a
successor that does not start leaves everything as it was.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from podready.runtime.logs import log_event

if TYPE_CHECKING:
    from podready.runtime.supervisor.supervisor import Supervisor
    from podready.runtime.supervisor.workers import Exit, WorkerHandle


class Rotation:
    """The queue of workers that shall be replaced, and the one whose turn it is."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._queue: deque[tuple[WorkerHandle, str]] = deque()
        self._leaving: WorkerHandle | None = None
        self._coming: WorkerHandle | None = None
        self._awaiting_fork = False

    def replace_all(self) -> None:
        """Replace every worker, on SIGHUP."""
        log_event("INFO", "SIGHUP: replacing the workers one by one")
        for worker in self._supervisor.fleet:
            self.replace(worker, "SIGHUP")

    def replace(self, worker: WorkerHandle, reason: str) -> None:
        """Replace one worker when its turn comes; a second request for it is ignored."""
        if worker.retiring or any(worker is queued for queued, _ in self._queue):
            return
        self._queue.append((worker, reason))
        self._next()

    def _next(self) -> None:
        if self._leaving is not None or not self._queue:
            return
        worker, reason = self._queue.popleft()
        if worker.pid not in self._supervisor.fleet.workers:
            self._next()
            return
        log_event("INFO", f"replacing worker {worker.pid}: {reason}", worker=worker.pid)
        self._leaving, self._awaiting_fork = worker, True
        self._supervisor.want_fork()

    def forked(self, worker: WorkerHandle) -> None:
        """Hear of a new worker; if we asked for it, it is the successor."""
        if self._awaiting_fork:
            self._awaiting_fork, self._coming = False, worker

    def listening(self, worker: WorkerHandle) -> None:
        """Retire the old worker once its successor accepts."""
        if worker is not self._coming or self._leaving is None:
            return
        self._coming = None
        self._leaving.retiring = True
        self._supervisor.retire(self._leaving)

    def exited(self, ended: Exit) -> bool:
        """Hear of a worker's end; True when it belongs to a replacement and needs no other."""
        if ended.worker is self._leaving:
            # Retired as planned, or dead before its turn: then the successor takes its place.
            self._leaving = self._coming = None
            self._next()
            return True
        if ended.worker is self._coming:
            reason = (ended.worker.failure or {}).get("message", f"it {ended.text}")
            log_event("ERROR", f"the new worker did not start, the old ones stay: {reason}")
            self._coming = self._leaving = None
            self._queue.clear()
            return True
        return False
