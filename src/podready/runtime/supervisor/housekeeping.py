"""Every second: kill silent workers, and replace those that have served long enough."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from podready.contract import Phase
from podready.runtime.logs import log_event
from podready.runtime.metrics.throttling import Throttling, throttled_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.admin.worker_handle import WorkerHandle
    from podready.runtime.supervisor.state import State

_INTERVAL = 1.0
_LATE = 2.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Housekeeping:
    """Runs on the supervisor's loop; `replace` replaces a worker, for the reason that it gets."""

    def __init__(self, state: State, replace: Callable[[WorkerHandle, str], None]) -> None:
        self._state = state
        self._replace = replace
        self._throttling = Throttling()
        self._ticked_at = state.loop.time()
        self._excused: set[int] = set()

    def start(self) -> None:
        """Run every second from now on."""
        self._state.loop.call_later(_INTERVAL, self._tick)

    def _tick(self) -> None:
        state = self._state
        now = state.loop.time()
        state.loop.call_later(_INTERVAL, self._tick)
        self._throttling.sample(now, throttled_seconds())
        late = now - self._ticked_at - _INTERVAL
        self._ticked_at = now
        if late > _LATE:
            # We did not run either: the machine slept or the container was held back.
            for worker in state.workers:
                worker.excuse(late)
        if state.lifecycle.phase is Phase.READY:
            for worker in state.workers:
                self._inspect(worker, now)

    def _inspect(self, worker: WorkerHandle, now: float) -> None:
        if not worker.serves:
            return
        if len(self._state.workers) > 1 and self.stalled(worker, now) is not None:
            silent = now - worker.last_heartbeat
            log_event("ERROR", f"worker {worker.pid} is silent for {silent:.0f}s: killing it")
            worker.kill(signal.SIGKILL)
            return
        reason = self._due(worker, now)
        if reason:
            self._replace(worker, reason)

    def stalled(self, worker: WorkerHandle, now: float) -> float | None:
        """Return how long the worker has been silent, if that is too long and its own fault."""
        silent = now - worker.last_heartbeat
        if silent <= self._state.config.stall_timeout:
            self._excused.discard(worker.pid)
            return None
        self._throttling.sample(now, throttled_seconds())
        if not self._throttling.explains(worker.last_heartbeat, now):
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
        """Return why the worker must be replaced, or ""."""
        config = self._state.config
        served = worker.heartbeat.served
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
