"""PID 1: owns the signals, the sockets, the probes and the workers, and runs no code of the app.

It is single-threaded and imports nothing heavy, because probes must answer before the app is
imported, while its event loop is blocked, and until its last hook has ended.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

from podready.contract import ExitCode, Phase
from podready.errors import StartupError
from podready.runtime.admin.loggers import Loggers
from podready.runtime.admin.metrics import MetricsPage
from podready.runtime.admin.pages import Pages
from podready.runtime.admin.server import AdminServer
from podready.runtime.lifecycle import Lifecycle
from podready.runtime.logs import limit_last_flush, log_event
from podready.runtime.logs.writing.writer import FLUSH_SECONDS
from podready.runtime.loop.listener import bind, listen
from podready.runtime.loop.loop import Loop
from podready.runtime.loop.messages import (
    Close,
    HealthReport,
    Heartbeat,
    Listening,
    Message,
    RegistryText,
    StartupAborting,
    StartupFailed,
    StartupPhase,
    Stopped,
    Unreadable,
    unexpected,
)
from podready.runtime.run_config import RunConfig, unknown_variables
from podready.runtime.supervisor.grpc_health import GrpcHealth
from podready.runtime.supervisor.housekeeping import Housekeeping
from podready.runtime.supervisor.readiness import Readiness
from podready.runtime.supervisor.rolling_restart import RollingRestart
from podready.runtime.supervisor.shutdown import Actions, Shutdown
from podready.runtime.supervisor.state import State
from podready.runtime.supervisor.status import status_of
from podready.runtime.supervisor.workers import RestartBackoff, WorkerPool
from podready.runtime.termination import write_termination_message
from podready.runtime.worker.start import WorkerStart

if TYPE_CHECKING:
    from podready.runtime.admin.probes import PodStatus
    from podready.runtime.admin.worker_handle import WorkerExit, WorkerHandle


_HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}


class Supervisor:
    """Start, serve and stop; `run` returns an exit code, or a WorkerStart in a forked child."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.loop = Loop()
        self.lifecycle = Lifecycle(self.loop.time())
        self.workers = WorkerPool(self.loop, self._receive)
        self._backoff = RestartBackoff()
        self._secret = os.urandom(16).hex()
        self._exit_code: int | None = None
        self._forks_wanted = 0
        self._served = False
        self._admin: AdminServer | None = None
        self._listener: socket.socket | None = None
        self._readiness: Readiness | None = None
        self._loggers = Loggers(self)
        self._metrics = MetricsPage(self)
        self._pages = Pages(self, self._metrics, self._loggers)
        state = State(config, self.loop, self.lifecycle, self.workers)
        self._state = state
        self._grpc_health = GrpcHealth(state, self.status)
        self._rolling_restart = RollingRestart(self.workers, self._request_fork, self._retire)
        self._housekeeping = Housekeeping(state, self._rolling_restart.replace)
        self._shutdown = Shutdown(
            state,
            Actions(
                close_listener=self._close_listener,
                finish=self._finish,
                drain_facts=self._metrics.drain_facts,
                phase_changed=self._grpc_health.update,
            ),
        )

    @property
    def server(self) -> str:
        """The name of the engine that serves the requests."""
        return self.config.engine

    @property
    def supervised(self) -> bool:
        """Whether this process runs the workers and is not a worker itself."""
        return True

    @property
    def several(self) -> bool:
        """Whether more than one worker serves at a time."""
        return self.config.workers > 1

    def status(self) -> PodStatus:
        """Return all that the probes' answers depend on, as it is now."""
        serving = self._readiness is not None and self._readiness.serving
        return status_of(self._state, serving=serving, stalled=self._housekeeping.stalled)

    def run(self) -> int | WorkerStart:
        """Run until the end; raises StartupError when a port cannot be had."""
        self._handle_signals()
        self._open()
        self._forks_wanted = self.config.workers
        self.loop.call_later(self.config.startup_timeout, self._start_timed_out)
        self._housekeeping.start()
        while self._exit_code is None:
            while self._forks_wanted:
                self._forks_wanted -= 1
                child = self._fork()
                if child is not None:
                    return child
            self.loop.run()
        self._close()
        return self._exit_code

    def _handle_signals(self) -> None:
        self.loop.on_signal(signal.SIGTERM, lambda: self._shutdown.signalled(signal.SIGTERM))
        self.loop.on_signal(signal.SIGINT, lambda: self._shutdown.signalled(signal.SIGINT))
        self.loop.on_signal(signal.SIGHUP, self._hang_up)
        self.loop.on_signal(signal.SIGUSR1, self._loggers.debug)
        self.loop.on_signal(signal.SIGCHLD, self._reap)

    def _hang_up(self) -> None:
        if self.lifecycle.phase is Phase.READY:
            self._rolling_restart.replace_all()

    def _open(self) -> None:
        config = self.config
        admin = bind(config.admin_host, config.admin_port, "--admin-port")
        listen(admin, "--admin-port")
        self._admin = AdminServer(self.loop, admin, self._pages.answer)
        self._listener = bind(config.host, config.port, "--port")
        address = self._listener.getsockname()[:2]
        self._readiness = Readiness(self.loop, address, self._secret, self._tested)
        log_event(
            "INFO",
            f"starting {config.app}: {config.engine}, port {address[1]}, probes on port "
            f"{admin.getsockname()[1]}",
            port=address[1],
            admin_port=admin.getsockname()[1],
            pid=os.getpid(),
        )
        for sentence in unknown_variables(os.environ):
            log_event("WARNING", sentence)
        self._grpc_health.start()

    def _fork(self) -> WorkerStart | None:
        child = self.workers.fork()
        if child is None:
            self._watch_start(self.workers.youngest())
            self._loggers.send_to(self.workers.youngest())
            return None
        channel, mask, segment = child
        assert self._admin is not None
        assert self._listener is not None
        assert self._readiness is not None
        sockets = [*self._admin.sockets(), *self.workers.sockets(), *self._readiness.sockets()]
        self.loop.abandon([*sockets, *self._grpc_health.sockets()])
        return WorkerStart(self.config, self._listener, channel, self._secret, mask, segment)

    # Messages and exits of workers

    def _receive(self, worker: WorkerHandle, message: Message | Unreadable) -> None:
        worker.record(message, self.loop.time())
        match message:
            case Heartbeat() | HealthReport():
                pass
            case StartupPhase():
                self._metrics.record_phase(worker, worker.startup_phase)
            case Listening():
                self._worker_listening(worker)
            case StartupFailed() | Stopped():
                self._shutdown.worker_done(worker)
            case RegistryText():
                self._metrics.receive(worker, message)
            case StartupAborting():
                self._shutdown.worker_aborting()
            case _:
                log_event("ERROR", f"worker {worker.pid} {unexpected(message)}")

    def _worker_listening(self, worker: WorkerHandle) -> None:
        self._metrics.record_phase(worker, worker.startup_phase)
        assert self._readiness is not None
        self._readiness.test()
        self._rolling_restart.listening(worker)
        self._shutdown.worker_listening()

    def _reap(self) -> None:
        for ended in self.workers.reap():
            self._metrics.record_exit(ended)
            if self.lifecycle.stopping:
                self._shutdown.worker_exited(ended)
            elif self.lifecycle.phase is Phase.STARTING:
                self._start_failed(ended)
            elif not self._rolling_restart.exited(ended):
                self._replace(ended)
            self._park_listener()

    def _start_failed(self, ended: WorkerExit) -> None:
        failure = ended.worker.failure
        if failure is None:
            phase = ended.worker.startup_phase
            message = f"the worker {ended.text} during start-up (startup phase: {phase})"
            failure = StartupFailed(exit=ExitCode.STARTUP_FAILED, message=message)
        trace = {"stack_trace": failure.trace} if failure.trace else {}
        if not failure.logged:
            log_event("CRITICAL", failure.message, **trace)
        self._finish(failure.exit, f"start-up failed: {failure.message}")

    def _start_timed_out(self) -> None:
        if self.lifecycle.phase is not Phase.STARTING:
            return
        phases = ", ".join(sorted({worker.startup_phase for worker in self.workers}))
        message = f"not ready within {self.config.startup_timeout:g}s (startup phase: {phases})"
        log_event("CRITICAL", message)
        self._finish(ExitCode.STARTUP_FAILED, message)

    def _replace(self, ended: WorkerExit) -> None:
        wait = self._backoff.next(self.loop.time() - ended.worker.born)
        failure = ended.worker.failure
        why = f" ({failure.message})" if failure else ""
        log_event(
            "ERROR",
            f"worker {ended.worker.pid} {ended.text}{why}; a new one starts in {wait:g}s",
            worker=ended.worker.pid,
        )
        self.loop.call_later(wait, self._request_fork)

    def _request_fork(self) -> None:
        """Fork one more worker at the top of the loop, where no callback is half done."""
        if not self.lifecycle.stopping:
            self._forks_wanted += 1
            self.loop.stop()

    def _watch_start(self, worker: WorkerHandle) -> None:
        """Kill a replacement that does not get to listen; the first start has its own limit."""
        self._rolling_restart.forked(worker)

        def too_long() -> None:
            if worker in self.workers and not worker.listening:
                log_event("ERROR", f"worker {worker.pid} did not start in time: killing it")
                worker.kill(signal.SIGKILL)

        if self.lifecycle.phase is Phase.READY:
            self.loop.call_later(self.config.startup_timeout, too_long)

    def _retire(self, worker: WorkerHandle) -> None:
        """Let one worker finish what it has and end, while the others go on."""
        budget = self.config.budget()
        now = self.loop.time()
        end_at = now + budget.inflight + budget.hooks
        worker.retire()
        worker.channel.send(Close(cancel_at=now + budget.inflight, end_at=end_at))
        self.loop.call_at(end_at + budget.margin, lambda: worker.kill(signal.SIGKILL))

    def _park_listener(self) -> None:
        """With no worker left to accept, refuse connections instead of queueing them.

        shutdown() on a listening socket takes it out of the listening state on Linux and keeps
        its port; the next worker's listen() puts it back.
        """
        if self._listener is None or any(worker.listening for worker in self.workers):
            return
        try:
            self._listener.shutdown(socket.SHUT_RD)
        except OSError:  # it was not listening yet, or is closed
            pass

    # Readiness

    def _tested(self, serving: bool) -> None:
        """Take the self-test's result; the first good one with all workers makes the pod ready."""
        before, self._served = self._served, serving
        if self.lifecycle.phase is Phase.STARTING and serving:
            if sum(worker.listening for worker in self.workers) < self.config.workers:
                return
            now = self.loop.time()
            self.lifecycle.advance(Phase.READY, now)
            log_event("INFO", f"ready after {now - self.lifecycle.started_at:.2f} s")
        elif self.lifecycle.phase is Phase.READY and serving != before:
            severity, how = ("INFO", "again") if serving else ("ERROR", "no longer")
            log_event(severity, f"the main listener answers {how}")

    # The end

    def _close_listener(self) -> None:
        """Close our copy of the main socket, so that the kernel's queue ends with the workers'."""
        assert self._readiness is not None
        self._readiness.stop()
        if self._listener is not None:
            self._listener.close()

    def _finish(self, code: int, reason: str) -> None:
        """End the process with `code`; workers that still run are killed."""
        if self._exit_code is not None:
            return
        self.lifecycle.advance(Phase.STOPPED, self.loop.time())
        self._exit_code = code
        write_termination_message(reason)
        self.loop.stop()

    def _close(self) -> None:
        # The interpreter restores the signals' defaults at its end: a late one would kill us then.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        self.workers.kill_all(signal.SIGKILL)
        self.workers.wait_for_all()
        self._grpc_health.close()
        if self._admin is not None:
            self._admin.close()
        if self.lifecycle.since(Phase.DRAINING) is not None:
            # A log that is not read must not take more than what is left of the grace period.
            limit_last_flush(min(FLUSH_SECONDS, self._shutdown.seconds_left()))


def supervise(config: RunConfig) -> int | WorkerStart:
    """Run the supervisor; a port that is taken goes to the termination message and is raised."""
    try:
        return Supervisor(config).run()
    except StartupError as error:
        write_termination_message(str(error))
        raise
