"""PID 1: owns the signals, the sockets, the probes and the workers, and runs no code of the app.

It is single-threaded and imports nothing heavy, because probes must answer before the app is
imported, while its event loop is blocked, and until its last hook has ended.
"""

from __future__ import annotations

import atexit
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
from podready.runtime.logs import flush, log_event
from podready.runtime.logs.writing.writer import FLUSH_SECONDS
from podready.runtime.loop.listener import bind, listen
from podready.runtime.loop.loop import Loop
from podready.runtime.run_config import RunConfig, unknown_variables
from podready.runtime.supervisor.backoff import Backoff
from podready.runtime.supervisor.grpc_health import GrpcHealth
from podready.runtime.supervisor.housekeeping import Upkeep
from podready.runtime.supervisor.readiness import Readiness
from podready.runtime.supervisor.rolling_restart import Rotation
from podready.runtime.supervisor.shutdown import Stop
from podready.runtime.supervisor.status import standing_of
from podready.runtime.supervisor.workers import Exit, Fleet, WorkerHandle
from podready.runtime.termination import write_termination_message
from podready.runtime.worker.start import WorkerStart

if TYPE_CHECKING:
    from podready.runtime.admin.probes import Standing
    from podready.runtime.loop.channel import Message


_HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}


class Supervisor:
    """Start, serve and stop; `run` returns an exit code, or a WorkerStart in a forked child."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.loop = Loop()
        self.lifecycle = Lifecycle(self.loop.time())
        self.fleet = Fleet(self.loop, self._hear)
        self._backoff = Backoff()
        self._secret = os.urandom(16).hex()
        self._exit: int | None = None
        self._forks_wanted = 0
        self._served = False
        self._admin: AdminServer | None = None
        self._listener: socket.socket | None = None
        self.readiness: Readiness | None = None
        self._stop = Stop(self)
        self.rotation = Rotation(self)
        self.upkeep = Upkeep(self)
        self.loggers = Loggers(self)
        self.pages = Pages(self)
        self.metrics = MetricsPage(self)
        self.grpc_health = GrpcHealth(self)

    @property
    def server(self) -> str:
        """What serves the requests: the engine."""
        return self.config.engine

    @property
    def supervised(self) -> bool:
        """Whether this process runs the workers, and is none itself."""
        return True

    @property
    def several(self) -> bool:
        """Whether more than one worker serves at a time."""
        return self.config.workers > 1

    def standing(self) -> Standing:
        """Return all that a probe's answer depends on, as it is now."""
        return standing_of(self)

    def run(self) -> int | WorkerStart:
        """Be the supervisor; raises StartupError when a port cannot be had."""
        self._take_signals()
        self._open()
        self._forks_wanted = self.config.workers
        self.loop.call_later(self.config.startup_timeout, self._start_timed_out)
        self.upkeep.start()
        while self._exit is None:
            while self._forks_wanted:
                self._forks_wanted -= 1
                child = self._fork()
                if child is not None:
                    return child
            self.loop.run()
        self._close()
        return self._exit

    def _take_signals(self) -> None:
        self.loop.on_signal(signal.SIGTERM, lambda: self._stop.signalled(signal.SIGTERM))
        self.loop.on_signal(signal.SIGINT, lambda: self._stop.signalled(signal.SIGINT))
        self.loop.on_signal(signal.SIGHUP, self._hang_up)
        self.loop.on_signal(signal.SIGUSR1, self.loggers.debug)
        self.loop.on_signal(signal.SIGCHLD, self._reap)

    def _hang_up(self) -> None:
        if self.lifecycle.phase is Phase.READY:
            self.rotation.replace_all()

    def _open(self) -> None:
        config = self.config
        admin = bind(config.admin_host, config.admin_port, "--admin-port")
        listen(admin, "--admin-port")
        self._admin = AdminServer(self.loop, admin, self.pages.answer)
        self._listener = bind(config.host, config.port, "--port")
        address = self._listener.getsockname()[:2]
        self.readiness = Readiness(self.loop, address, self._secret, self._tested)
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
        self.grpc_health.start()

    def _fork(self) -> WorkerStart | None:
        child = self.fleet.fork()
        if child is None:
            self._watch_start(self.fleet.youngest())
            self.loggers.tell(self.fleet.youngest())
            return None
        channel, mask, shelf = child
        assert self._admin is not None
        assert self._listener is not None
        assert self.readiness is not None
        foreign = [*self._admin.sockets(), *self.fleet.sockets(), *self.readiness.sockets()]
        foreign += self.grpc_health.sockets()
        self.loop.abandon(foreign)
        return WorkerStart(self.config, self._listener, channel, self._secret, mask, shelf)

    # What workers say

    def _hear(self, worker: WorkerHandle, message: Message) -> None:
        worker.last_beat = self.loop.time()
        kind = message["kind"]
        if kind == "beat":
            worker.beat = message
        elif kind == "stage":
            worker.stage, worker.progress = message["stage"], message.get("fraction")
            self.metrics.note_stage(worker, worker.stage)
        elif kind == "listening":
            worker.listening, worker.stage = True, "listening"
            self.metrics.note_stage(worker, worker.stage)
            assert self.readiness is not None
            self.readiness.test()
            self.rotation.listening(worker)
            self._stop.worker_listening()
        elif kind == "state":
            worker.state = message
        elif kind == "failed":
            worker.failure = message
            self._stop.worker_done(worker)
        elif kind == "stopped":
            worker.stopped = message
            self._stop.worker_done(worker)
        elif kind == "registry":
            self.metrics.hear(worker, message)
        elif kind == "aborting":
            self._stop.worker_aborting()

    def _reap(self) -> None:
        for ended in self.fleet.reap():
            self.metrics.note_exit(ended)
            if self.lifecycle.stopping:
                self._stop.worker_exited(ended)
            elif self.lifecycle.phase is Phase.STARTING:
                self._start_failed(ended)
            elif not self.rotation.exited(ended):
                self._replace(ended)
            self._park_listener()

    def _start_failed(self, ended: Exit) -> None:
        failure = ended.worker.failure
        if failure is None:
            message = f"the worker {ended.text} during start-up (stage: {ended.worker.stage})"
            failure = {"exit": ExitCode.STARTUP_FAILED, "message": message, "trace": None}
        trace = {"stack_trace": failure["trace"]} if failure.get("trace") else {}
        if not failure.get("logged"):
            log_event("CRITICAL", failure["message"], **trace)
        self.finish(int(failure["exit"]), f"start-up failed: {failure['message']}")

    def _start_timed_out(self) -> None:
        if self.lifecycle.phase is not Phase.STARTING:
            return
        stages = ", ".join(sorted({worker.stage for worker in self.fleet}))
        message = f"not ready within {self.config.startup_timeout:g}s (stage: {stages})"
        log_event("CRITICAL", message)
        self.finish(ExitCode.STARTUP_FAILED, message)

    def _replace(self, ended: Exit) -> None:
        wait = self._backoff.next(self.loop.time() - ended.worker.born)
        reason = (ended.worker.failure or {}).get("message")
        why = f" ({reason})" if reason else ""
        log_event(
            "ERROR",
            f"worker {ended.worker.pid} {ended.text}{why}; a new one starts in {wait:g}s",
            worker=ended.worker.pid,
        )
        self.loop.call_later(wait, self.want_fork)

    def want_fork(self) -> None:
        """Fork one more worker at the top of the loop, where no callback is half done."""
        if not self.lifecycle.stopping:
            self._forks_wanted += 1
            self.loop.stop()

    def _watch_start(self, worker: WorkerHandle) -> None:
        """Kill a replacement that does not get to listen; the first start has its own limit."""
        self.rotation.forked(worker)

        def too_long() -> None:
            if worker.pid in self.fleet.workers and not worker.listening:
                log_event("ERROR", f"worker {worker.pid} did not start in time: killing it")
                worker.kill(signal.SIGKILL)

        if self.lifecycle.phase is Phase.READY:
            self.loop.call_later(self.config.startup_timeout, too_long)

    def retire(self, worker: WorkerHandle) -> None:
        """Let one worker finish what it has and end, while the others go on."""
        budget = self.config.budget()
        now = self.loop.time()
        end_at = now + budget.inflight + budget.hooks
        worker.retiring = True
        worker.channel.send("close", cancel_at=now + budget.inflight, end_at=end_at)
        self.loop.call_at(end_at + budget.margin, lambda: worker.kill(signal.SIGKILL))

    def _park_listener(self) -> None:
        """With no worker left to accept, refuse connections rather than let them wait unheard.

        shutdown() on a listening socket takes it out of the listening state on Linux and keeps
        its port; the next worker's listen() puts it back.
        """
        if self._listener is None or any(worker.listening for worker in self.fleet):
            return
        try:
            self._listener.shutdown(socket.SHUT_RD)
        except OSError:  # it was not listening yet, or is closed
            pass

    # Readiness

    def _tested(self, serving: bool) -> None:
        """Hear from the self-test; the first good one with all workers makes the pod ready."""
        before, self._served = self._served, serving
        if self.lifecycle.phase is Phase.STARTING and serving:
            if sum(worker.listening for worker in self.fleet) < self.config.workers:
                return
            now = self.loop.time()
            self.lifecycle.advance(Phase.READY, now)
            log_event("INFO", f"ready after {now - self.lifecycle.started_at:.2f} s")
        elif self.lifecycle.phase is Phase.READY and serving != before:
            severity, words = ("INFO", "again") if serving else ("ERROR", "no longer")
            log_event(severity, f"the main listener answers {words}")

    # The end

    def close_listener(self) -> None:
        """Close our copy of the main socket, so that the kernel's queue ends with the workers'."""
        assert self.readiness is not None
        self.readiness.stop()
        if self._listener is not None:
            self._listener.close()

    def finish(self, code: int, reason: str) -> None:
        """End the process with `code`; whoever still runs is killed."""
        if self._exit is not None:
            return
        self.lifecycle.advance(Phase.STOPPED, self.loop.time())
        self._exit = code
        write_termination_message(reason)
        self.loop.stop()

    def _close(self) -> None:
        # The interpreter gives signals their defaults back at its end: a late one would kill us.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        self.fleet.kill_all(signal.SIGKILL)
        while len(self.fleet):
            try:
                pid, _status = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            self.fleet.workers.pop(pid, None)
        self.grpc_health.close()
        if self._admin is not None:
            self._admin.close()
        if self.lifecycle.since(Phase.DRAINING) is not None:
            # A log that nobody reads must not take more than what the grace period has left.
            atexit.unregister(flush)
            atexit.register(flush, min(FLUSH_SECONDS, self._stop.seconds_left()))


def supervise(config: RunConfig) -> int | WorkerStart:
    """Run the supervisor; a port that is taken is logged, told to the kubelet and raised."""
    try:
        return Supervisor(config).run()
    except StartupError as error:
        write_termination_message(str(error))
        raise
