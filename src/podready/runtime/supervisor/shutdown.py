"""The stop procedure as the supervisor sees it: signals in, phases and deadlines out.

    first signal    draining: not ready, still accepting, for the drain delay (0 for SIGINT)
    second, or over closing: our copy of the listener shut, workers told their deadlines
    third           cancelling: work in flight is cut now

A signal during start-up ends the start instead. Whatever happens, the process ends before the
grace period does.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from podready.contract import ExitCode, Phase
from podready.runtime.logs import log_event
from podready.runtime.logs.writing.writer import FLUSH_SECONDS

if TYPE_CHECKING:
    from podready.runtime.loop.loop import Timer
    from podready.runtime.supervisor.supervisor import Supervisor
    from podready.runtime.supervisor.workers import Exit, WorkerHandle

_ABORT_PATIENCE = 2.0
"""Seconds a start-up has to end after SIGTERM before it is killed."""

_EXIT_PATIENCE = 1.0
"""Seconds a worker has to exit after it said that it is done; a stuck thread would keep it. With
lines of its log still waiting for their reader it gets the time of the last flush as well."""

_EXIT_TIME = 0.2
"""Seconds kept for what comes after the last line of the log: the end of the interpreter."""


class Stop:
    """Drives one supervisor from the first signal to the exit."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._budget = supervisor.config.budget()
        self._begun = 0.0
        self._cut = 0
        self._stuck: list[str] = []
        self._aborting = False  # and no worker has said yet what it makes of it
        self._start_aborted = False
        self._limit: Timer | None = None  # of the hooks after an aborted start

    def signalled(self, number: int) -> None:
        """Take the next step; every further signal hurries by one."""
        phase = self._supervisor.lifecycle.phase
        name = signal.Signals(number).name
        serving = any(worker.listening for worker in self._supervisor.fleet)
        if phase is Phase.STARTING and not serving:
            self._abort_start(name)
        elif phase in {Phase.STARTING, Phase.READY}:
            unknown = phase is Phase.STARTING or number == signal.SIGINT  # nobody routes to us
            self._drain(name, 0.0 if unknown else self._budget.drain)
        elif phase is Phase.DRAINING and not self._aborting:
            log_event("WARNING", f"{name} again: the drain ends now")
            self._close()
        elif phase is Phase.CLOSING:
            log_event("WARNING", f"{name} again: cutting what is in flight")
            self._supervisor.fleet.broadcast("cancel")

    def _abort_start(self, name: str) -> None:
        supervisor = self._supervisor
        log_event("INFO", f"{name} during start-up: stopping")
        self._aborting = self._start_aborted = True
        self._begin(Phase.DRAINING)
        supervisor.fleet.kill_all(signal.SIGTERM)
        # For a worker that has finished its start in this very moment, deaf to the signal by now.
        supervisor.fleet.broadcast("close", **self._deadlines())
        supervisor.loop.call_later(_ABORT_PATIENCE, self._abort_expired)
        if not len(supervisor.fleet):
            self._finish()

    def worker_aborting(self) -> None:
        """Give a worker that runs its hooks after an aborted start the hooks' time for it."""
        if not self._aborting:
            return
        self._aborting = False
        loop = self._supervisor.loop
        self._limit = loop.call_later(_ABORT_PATIENCE + self._budget.hooks, self._expired)

    def worker_listening(self) -> None:
        """Hear that a start was finished when it should have been stopped: a stop like others."""
        if not self._start_aborted:
            return
        self._aborting = False
        if self._limit is not None:
            self._limit.cancel()
        self._supervisor.close_listener()
        self._expect_end()

    def _abort_expired(self) -> None:
        done = all(worker.stopped is not None for worker in self._supervisor.fleet)
        if self._aborting and not done:
            log_event("WARNING", f"start-up did not stop within {_ABORT_PATIENCE:g}s: killing it")
            self._finish()

    def _begin(self, phase: Phase) -> None:
        self._begun = self._supervisor.loop.time()
        self._supervisor.lifecycle.advance(phase, self._begun)
        self._supervisor.grpc_health.tell()

    def _drain(self, name: str, delay: float) -> None:
        self._begin(Phase.DRAINING)
        log_event(
            "INFO",
            f"{name}: draining, still accepting for {delay:g}s; "
            f"{self._budget.grace:g}s until the kubelet kills",
            drain=delay,
            grace=self._budget.grace,
        )
        supervisor = self._supervisor
        supervisor.fleet.broadcast("drain")
        self._expect_end()
        supervisor.loop.call_later(delay, self._close)
        if not len(supervisor.fleet):
            self._finish()

    def _expect_end(self) -> None:
        """See to it that all is over before the kubelet kills."""
        end = self._begun + self._budget.ends_at + self._budget.margin / 2
        self._supervisor.loop.call_at(end, self._expired)

    def _deadlines(self) -> dict[str, float]:
        begun, budget = self._begun, self._budget
        return {"cancel_at": begun + budget.cancels_at, "end_at": begun + budget.ends_at}

    def _close(self) -> None:
        supervisor = self._supervisor
        if not supervisor.lifecycle.advance(Phase.CLOSING, supervisor.loop.time()):
            return
        supervisor.close_listener()
        log_event("INFO", "closing: the listener is shut, finishing what is in flight")
        supervisor.fleet.broadcast("close", **self._deadlines())
        for worker in supervisor.fleet:
            if not worker.listening:  # a replacement still starting, perhaps deaf in an import
                worker.kill(signal.SIGTERM)

    def worker_done(self, worker: WorkerHandle) -> None:
        """Hear that a worker is done; it must be gone soon after."""
        stopped = worker.stopped or {}
        self._cut += int(stopped.get("cut", 0))
        self._stuck += stopped.get("stuck", ())
        log_waits = (worker.stopped or worker.failure or {}).get("log_waits")
        patience = _EXIT_PATIENCE + (FLUSH_SECONDS if log_waits else 0.0)
        self._supervisor.loop.call_later(patience, lambda: worker.kill(signal.SIGKILL))

    def worker_exited(self, ended: Exit) -> None:
        """Note a worker's end; the last one ends the supervisor."""
        if ended.worker.stopped is None and ended.code != 0:
            log_event("ERROR", f"worker {ended.worker.pid} {ended.text} while stopping")
        if not len(self._supervisor.fleet):
            self._finish()

    def _expired(self) -> None:
        log_event("ERROR", "the grace period is nearly over: killing what is left")
        self._cut += sum(worker.stopped is None for worker in self._supervisor.fleet)
        self._finish()

    def seconds_left(self) -> float:
        """Return the seconds until the kubelet kills, less a little for the exit itself."""
        kill_at = self._begun + self._budget.grace - _EXIT_TIME
        return max(0.0, kill_at - self._supervisor.loop.time())

    def _finish(self) -> None:
        took = self._supervisor.loop.time() - self._begun
        cut = f", {self._cut} cut" if self._cut else ""
        text = f"stopped after {took:.2f} s{cut}"
        log_event("INFO", text, seconds=round(took, 3), **self._supervisor.metrics.drain_facts())
        strict = self._cut and self._supervisor.config.strict_exit
        report = "\n".join([text, *(f"cut: {line}" for line in self._stuck)])
        self._supervisor.finish(ExitCode.CUT if strict else ExitCode.OK, report)
