"""The shutdown as the supervisor sees it: signals come in, phases and deadlines go out.

    first signal   draining: not ready, still accepting, for the drain delay (0 for SIGINT)
    then           closing: the listener is shut, the workers get their deadlines
    second signal  closing begins now
    third signal   work in flight is cut now

A signal during start-up ends the start instead. Whatever happens, the process ends before the
grace period does.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final, NamedTuple

from podready.contract import ExitCode, Phase
from podready.runtime.logs import log_event
from podready.runtime.logs.writing.writer import FLUSH_SECONDS
from podready.runtime.loop.messages import Cancel, Close, Drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.admin.worker_handle import WorkerExit, WorkerHandle
    from podready.runtime.loop.loop import Timer
    from podready.runtime.supervisor.state import State

_ABORT_TIMEOUT: Final = 2.0
"""Seconds a start-up has to end after SIGTERM before it is killed."""

_EXIT_TIMEOUT: Final = 1.0
"""Seconds a worker has to exit after it reported its stop; a stuck thread would keep it. With lines
of its log still waiting for their reader it gets the time of the last flush as well."""

_EXIT_SECONDS: Final = 0.2
"""Seconds kept for what comes after the last line of the log: the end of the interpreter."""


class Actions(NamedTuple):
    """What the shutdown has the supervisor do."""

    close_listener: Callable[[], None]
    finish: Callable[[int, str], None]  # with the exit code and the reason
    drain_facts: Callable[[], dict[str, object]]  # for the last line of the log
    phase_changed: Callable[[], None]


class Shutdown:
    """Drives one supervisor from the first signal to the exit."""

    def __init__(self, state: State, actions: Actions) -> None:
        self._state = state
        self._actions = actions
        self._budget = state.config.budget()
        self._begun = 0.0
        self._cut = 0
        self._stuck: list[str] = []
        self._aborting = False  # and no worker has answered yet
        self._start_aborted = False
        self._limit: Timer | None = None  # of the hooks after an aborted start

    def signalled(self, number: int) -> None:
        """Take the next step; every further signal hurries by one."""
        phase = self._state.lifecycle.phase
        name = signal.Signals(number).name
        serving = any(worker.listening for worker in self._state.workers)
        if phase is Phase.STARTING and not serving:
            self._abort_start(name)
        elif phase in {Phase.STARTING, Phase.READY}:
            # Nothing routes traffic to a pod that was never ready, or to one at a terminal.
            unrouted = phase is Phase.STARTING or number == signal.SIGINT
            self._drain(name, 0.0 if unrouted else self._budget.drain)
        elif phase is Phase.DRAINING and not self._aborting:
            log_event("WARNING", f"{name} again: the drain ends now")
            self._close()
        elif phase is Phase.CLOSING:
            log_event("WARNING", f"{name} again: cutting what is in flight")
            self._state.workers.broadcast(Cancel())

    def _abort_start(self, name: str) -> None:
        workers = self._state.workers
        log_event("INFO", f"{name} during start-up: stopping")
        self._aborting = self._start_aborted = True
        self._begin(Phase.DRAINING)
        workers.kill_all(signal.SIGTERM)
        # For a worker that has finished its start in this very moment and ignores the signal now.
        workers.broadcast(self._deadlines())
        self._state.loop.call_later(_ABORT_TIMEOUT, self._abort_expired)
        if not len(workers):
            self._finish()

    def worker_aborting(self) -> None:
        """Wait for the hooks of a worker whose start was aborted, as long as hooks may take."""
        if not self._aborting:
            return
        self._aborting = False
        loop = self._state.loop
        self._limit = loop.call_later(_ABORT_TIMEOUT + self._budget.hooks, self._expired)

    def worker_listening(self) -> None:
        """Note a start that was finished instead of stopped: it is now a shutdown like others."""
        if not self._start_aborted:
            return
        self._aborting = False
        if self._limit is not None:
            self._limit.cancel()
        self._actions.close_listener()
        self._expect_end()

    def _abort_expired(self) -> None:
        done = all(worker.stopped is not None for worker in self._state.workers)
        if self._aborting and not done:
            log_event("WARNING", f"start-up did not stop within {_ABORT_TIMEOUT:g}s: killing it")
            self._finish()

    def _begin(self, phase: Phase) -> None:
        self._begun = self._state.loop.time()
        self._state.lifecycle.advance(phase, self._begun)
        self._actions.phase_changed()

    def _drain(self, name: str, delay: float) -> None:
        self._begin(Phase.DRAINING)
        log_event(
            "INFO",
            f"{name}: draining, still accepting for {delay:g}s; "
            f"{self._budget.grace:g}s until the kubelet kills",
            drain=delay,
            grace=self._budget.grace,
        )
        self._state.workers.broadcast(Drain())
        self._expect_end()
        self._state.loop.call_later(delay, self._close)
        if not len(self._state.workers):
            self._finish()

    def _expect_end(self) -> None:
        """End before the kubelet kills, whatever is still running."""
        end = self._begun + self._budget.ends_at + self._budget.margin / 2
        self._state.loop.call_at(end, self._expired)

    def _deadlines(self) -> Close:
        begun, budget = self._begun, self._budget
        return Close(cancel_at=begun + budget.cancels_at, end_at=begun + budget.ends_at)

    def _close(self) -> None:
        state = self._state
        if not state.lifecycle.advance(Phase.CLOSING, state.loop.time()):
            return
        self._actions.close_listener()
        log_event("INFO", "closing: the listener is shut, finishing what is in flight")
        state.workers.broadcast(self._deadlines())
        for worker in state.workers:
            if not worker.listening:  # a replacement that starts: in an import it reads no message
                worker.kill(signal.SIGTERM)

    def worker_done(self, worker: WorkerHandle) -> None:
        """Add what a worker reports at its end; its process must be gone soon after."""
        if worker.stopped is not None:
            self._cut += worker.stopped.cut
            self._stuck += worker.stopped.stuck
        last = worker.stopped or worker.failure
        timeout = _EXIT_TIMEOUT + (FLUSH_SECONDS if last and last.log_waits else 0.0)
        self._state.loop.call_later(timeout, lambda: worker.kill(signal.SIGKILL))

    def worker_exited(self, ended: WorkerExit) -> None:
        """Note a worker's end; the last one ends the supervisor."""
        if ended.worker.stopped is None and ended.code != 0:
            log_event("ERROR", f"worker {ended.worker.pid} {ended.text} while stopping")
        if not len(self._state.workers):
            self._finish()

    def _expired(self) -> None:
        log_event("ERROR", "the grace period is nearly over: killing what is left")
        self._cut += sum(worker.stopped is None for worker in self._state.workers)
        self._finish()

    def seconds_left(self) -> float:
        """Return the seconds until the kubelet kills, less a little for the exit itself."""
        kill_at = self._begun + self._budget.grace - _EXIT_SECONDS
        return max(0.0, kill_at - self._state.loop.time())

    def _finish(self) -> None:
        took = self._state.loop.time() - self._begun
        cut = f", {self._cut} cut" if self._cut else ""
        text = f"stopped after {took:.2f} s{cut}"
        log_event("INFO", text, seconds=round(took, 3), **self._actions.drain_facts())
        strict = self._cut and self._state.config.strict_exit
        report = "\n".join([text, *(f"cut: {line}" for line in self._stuck)])
        self._actions.finish(ExitCode.CUT if strict else ExitCode.OK, report)
