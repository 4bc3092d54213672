"""PID 1: owns the signals, the sockets, the probes and the workers, and runs no code of the app.

It is single-threaded and imports nothing heavy, because probes must answer before the app is
imported, while its event loop is blocked, and until its last hook has ended.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from podready import __version__
from podready.contract import ExitCode, Phase
from podready.errors import StartupError
from podready.runtime.admin import AdminServer, Request
from podready.runtime.answers import Answer, Standing, answer_probe
from podready.runtime.backoff import Backoff
from podready.runtime.config import RunConfig, unknown_variables
from podready.runtime.fleet import Exit, Fleet, WorkerHandle
from podready.runtime.lifecycle import Lifecycle
from podready.runtime.listener import bind, listen
from podready.runtime.logs import log_event
from podready.runtime.loop import Loop
from podready.runtime.readiness import Readiness
from podready.runtime.start import WorkerStart
from podready.runtime.stop import Stop
from podready.runtime.termination import write_termination_message

if TYPE_CHECKING:
    import socket

    from podready.runtime.channel import Message


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
        self._admin: AdminServer | None = None
        self._listener: socket.socket | None = None
        self._readiness: Readiness | None = None
        self._stop = Stop(self)

    def run(self) -> int | WorkerStart:
        """Be the supervisor; raises StartupError when a port cannot be had."""
        self._take_signals()
        self._open()
        self._forks_wanted = self.config.workers
        self.loop.call_later(self.config.startup_timeout, self._start_timed_out)
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
        self.loop.on_signal(signal.SIGCHLD, self._reap)

    def _open(self) -> None:
        config = self.config
        admin = bind(config.admin_host, config.admin_port, "--admin-port")
        listen(admin, "--admin-port")
        self._admin = AdminServer(self.loop, admin, self._answer)
        self._listener = bind(config.host, config.port, "--port")
        address = self._listener.getsockname()[:2]
        self._readiness = Readiness(self.loop, address, self._secret, self._changed)
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

    def _fork(self) -> WorkerStart | None:
        child = self.fleet.fork()
        if child is None:
            return None
        channel, mask = child
        assert self._admin is not None
        assert self._listener is not None
        assert self._readiness is not None
        foreign = [*self._admin.sockets(), *self.fleet.sockets(), *self._readiness.sockets()]
        self.loop.abandon(foreign)
        return WorkerStart(self.config, self._listener, channel, self._secret, mask)

    # What workers say

    def _hear(self, worker: WorkerHandle, message: Message) -> None:
        worker.last_beat = self.loop.time()
        kind = message["kind"]
        if kind == "beat":
            worker.beat = message
        elif kind == "stage":
            worker.stage, worker.progress = message["stage"], message.get("fraction")
        elif kind == "listening":
            worker.listening, worker.stage = True, "listening"
            assert self._readiness is not None
            self._readiness.test()
        elif kind == "state":
            worker.state = message
        elif kind == "failed":
            worker.failure = message
            self._stop.worker_done(worker)
        elif kind == "stopped":
            worker.stopped = message
            self._stop.worker_done(worker)
        elif kind == "aborting":
            self._stop.worker_aborting()

    def _reap(self) -> None:
        for ended in self.fleet.reap():
            if self.lifecycle.stopping:
                self._stop.worker_exited(ended)
            elif self.lifecycle.phase is Phase.STARTING:
                self._start_failed(ended)
            else:
                self._replace(ended)

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
        self.loop.call_later(wait, self._fork_one)

    def _fork_one(self) -> None:
        if not self.lifecycle.stopping:
            self._forks_wanted += 1
            self.loop.stop()

    # Readiness

    def _changed(self, serving: bool) -> None:
        """Hear from the self-test; the first good one makes the pod ready."""
        if self.lifecycle.phase is Phase.STARTING and serving:
            if sum(worker.listening for worker in self.fleet) < self.config.workers:
                return
            now = self.loop.time()
            self.lifecycle.advance(Phase.READY, now)
            log_event("INFO", f"ready after {now - self.lifecycle.started_at:.2f} s")
        elif self.lifecycle.phase is Phase.READY:
            severity, words = ("INFO", "again") if serving else ("ERROR", "no longer")
            log_event(severity, f"the main listener answers {words}")

    def standing(self) -> Standing:
        """Return all that a probe's answer depends on, as it is now."""
        now = self.loop.time()
        live = [worker for worker in self.fleet if worker.listening]
        unready = {name for worker in live for name in worker.unready(now)}
        if not live:
            unready.add("no-worker")
        starting = [worker for worker in self.fleet if not worker.listening]
        return Standing(
            phase=self.lifecycle.phase,
            started=self.lifecycle.since(Phase.READY) is not None,
            stage=starting[0].stage if starting else self.lifecycle.phase,
            elapsed=now - self.lifecycle.started_at,
            limit=self.config.startup_timeout,
            serving=self._readiness is not None and self._readiness.serving,
            unready=tuple(sorted(unready)),
            broken=next((said for each in live if (said := each.state.get("broken"))), None),
            stalled=self._stalled(live, now),
            progress=starting[0].progress if starting else None,
            details={"workers": [self._facts(worker, now) for worker in self.fleet]},
        )

    def _stalled(self, live: list[WorkerHandle], now: float) -> float | None:
        """Return how long every worker has been silent, if that is too long."""
        if self.lifecycle.phase is not Phase.READY or not live:
            return None
        silent = min(now - worker.last_beat for worker in live)
        return silent if silent > self.config.stall_timeout else None

    def _facts(self, worker: WorkerHandle, now: float) -> dict[str, Any]:
        return {
            "pid": worker.pid,
            "stage": worker.stage,
            "age": round(now - worker.born, 3),
            "last_beat": round(now - worker.last_beat, 3),
            **{key: value for key, value in worker.beat.items() if key not in {"kind", "works"}},
            **worker.state.get("facts", {}),
        }

    def _answer(self, request: Request) -> Answer:
        verbose = request.loopback and "verbose" in request.query
        answer = answer_probe(request.path, self.standing(), verbose=verbose)
        return answer or self._answer_page(request)

    def _answer_page(self, request: Request) -> Answer:
        """Answer /tasks and /info, which tell details and so are for loopback only."""
        page = {"/tasks": self._tasks, "/info": self._info}.get(request.path)
        if page is None:
            return Answer(404, b"not found\n", "text/plain")
        if not request.loopback:
            return Answer(403, b"only from inside the pod\n", "text/plain")
        return Answer(200, json.dumps(page()).encode())

    def _tasks(self) -> dict[str, Any]:
        """Return what is under way for more than a second, as of the last heartbeats."""
        now = self.loop.time()
        return {
            "tasks": [
                {"worker": worker.pid, **work}
                for worker in self.fleet
                for work in worker.beat.get("works", ())
            ],
            "last_beat": [round(now - worker.last_beat, 3) for worker in self.fleet],
        }

    def _info(self) -> dict[str, Any]:
        return {
            "podready": __version__,
            "app": self.config.app,
            "engine": self.config.engine,
            "phase": self.lifecycle.phase,
            "uptime": round(self.loop.time() - self.lifecycle.started_at, 3),
            "budget": asdict(self.config.budget()),
        }

    # The end

    def close_listener(self) -> None:
        """Close our copy of the main socket, so that the kernel's queue ends with the workers'."""
        assert self._readiness is not None
        self._readiness.stop()
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
        self.fleet.kill_all(signal.SIGKILL)
        while len(self.fleet):
            try:
                pid, _status = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            self.fleet.workers.pop(pid, None)
        if self._admin is not None:
            self._admin.close()


def supervise(config: RunConfig) -> int | WorkerStart:
    """Run the supervisor; a port that is taken is logged, told to the kubelet and raised."""
    try:
        return Supervisor(config).run()
    except StartupError as error:
        write_termination_message(str(error))
        raise
