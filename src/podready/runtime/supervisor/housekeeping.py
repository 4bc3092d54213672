"""What the supervisor looks after every second: silent workers and workers due for recycling."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from podready.contract import Phase
from podready.runtime.logs import log_event
from podready.runtime.metrics.throttling import Throttling, throttled_seconds

if TYPE_CHECKING:
    from podready.runtime.supervisor.supervisor import Supervisor
    from podready.runtime.supervisor.workers import WorkerHandle

_EVERY = 1.0
_LATE = 2.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Upkeep:
    """Runs on the supervisor's loop from its first tick on."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._throttling = Throttling()
        self._ticked_at = supervisor.loop.time()
        self._excused: set[int] = set()

    def start(self) -> None:
        """Begin to tick."""
        self._supervisor.loop.call_later(_EVERY, self._tick)

    def _tick(self) -> None:
        supervisor = self._supervisor
        now = supervisor.loop.time()
        supervisor.loop.call_later(_EVERY, self._tick)
        self._throttling.sample(now, throttled_seconds())
        late = now - self._ticked_at - _EVERY
        self._ticked_at = now
        if late > _LATE:
            # We did not run either: the machine slept or the container was held back.
            for worker in supervisor.fleet:
                worker.last_beat += late
        if supervisor.lifecycle.phase is Phase.READY:
            for worker in supervisor.fleet:
                self._look_at(worker, now)

    def _look_at(self, worker: WorkerHandle, now: float) -> None:
        if not worker.listening or worker.retiring:
            return
        if len(self._supervisor.fleet) > 1 and self.stalled(worker, now) is not None:
            silent = now - worker.last_beat
            log_event("ERROR", f"worker {worker.pid} is silent for {silent:.0f}s: killing it")
            worker.kill(signal.SIGKILL)
            return
        reason = self._due(worker, now)
        if reason:
            self._supervisor.rotation.replace(worker, reason)

    def stalled(self, worker: WorkerHandle, now: float) -> float | None:
        """Return how long the worker has been silent, if that is too long and its own fault."""
        silent = now - worker.last_beat
        if silent <= self._supervisor.config.stall_timeout:
            self._excused.discard(worker.pid)
            return None
        self._throttling.sample(now, throttled_seconds())
        if not self._throttling.explains(worker.last_beat, now):
            return silent
        if worker.pid not in self._excused:
            self._excused.add(worker.pid)
            log_event(
                "WARNING",
                f"worker {worker.pid} is silent for {silent:.0f}s, but the container is throttled: "
                "raise its CPU limit",
            )
        return None

    def _due(self, worker: WorkerHandle, now: float) -> str:
        """Return why the worker shall be recycled, or ""."""
        config = self._supervisor.config
        served = int(worker.beat.get("served", 0))
        if config.max_requests and served >= config.max_requests * worker.jitter:
            return f"it has served {served} requests"
        if config.max_lifetime and now - worker.born >= config.max_lifetime * worker.jitter:
            return f"it is {now - worker.born:.0f}s old"
        if config.max_memory and (size := memory_of(worker.pid)) >= config.max_memory:
            return f"it uses {size / 2**20:.0f} MiB of memory"
        return ""


def memory_of(pid: int) -> int:
    """Return the resident bytes of a process, 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:  # pathlib costs PID 1 its import
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
