"""The runtime inside a process of another server: probes, pages and drain on one thread.

There is no supervisor here. A daemon thread answers on the admin port (of several workers the
first one that gets the port is the leader, all are its followers, and another takes over when it
is gone) and keeps the deadlines of the drain (`wrap.drain`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Final

from podready.contract import LIVEZ, READYZ, STARTUPZ, Phase
from podready.errors import StartupError
from podready.runtime.admin.probes import Answer, PodStatus, answer_probe
from podready.runtime.app.call_failures import CallFailures
from podready.runtime.app.check_runner import CheckRunner
from podready.runtime.lifecycle import Lifecycle
from podready.runtime.logs import replace_handlers
from podready.runtime.loop.listener import bind, listen
from podready.runtime.loop.loop import Loop
from podready.runtime.loop.messages import HealthReport, Heartbeat
from podready.runtime.metrics import app_registry
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.interpreter import InterpreterMetrics
from podready.runtime.requests.inflight import ItemKind
from podready.runtime.requests.instrumentation import Instrumentation
from podready.runtime.requests.loop_watchdog import LoopWatchdog, log_stall
from podready.runtime.requests.route import watch_frameworks
from podready.runtime.requests.stack_location import long_running
from podready.runtime.wrap.drain import ProcessDrain
from podready.runtime.wrap.follower import Follower
from podready.runtime.wrap.hypercorn import hold_hypercorn
from podready.runtime.wrap.leader import Leader
from podready.runtime.wrap.listening import has_listener
from podready.runtime.wrap.locked_instrumentation import LockedInstrumentation
from podready.runtime.wrap.sigterm import Sigterm

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from podready.runtime.process import Runtime
    from podready.runtime.requests.middleware import Middleware
    from podready.runtime.run_config import RunConfig
    from podready.runtime.tracing.spans import Tracing

PROBES: Final = frozenset({LIVEZ, READYZ, STARTUPZ})

_CLAIM: Final = 0.25
"""Seconds between two tries to get the admin port while there is no leader."""

_QUIET_TRIES: Final = 20

_HEARTBEAT: Final = 0.5
"""Seconds between two reports to the leader."""

_LIFESPAN_TIMEOUT: Final = 2.0
"""Seconds after the import in which a server that speaks lifespan has begun to."""

_log = logging.getLogger("podready.wrap")


class InProcess:
    """One process's runtime; the middlewares of `wrap` report to it what they see."""

    def __init__(
        self,
        runtime: Runtime,
        config: RunConfig,
        *,
        asgi: bool,
        tracing: Tracing | None = None,
        logs: bool = True,
    ) -> None:
        self.draining = False
        self.ending = False  # streams, at the end of the drain delay
        self.middlewares: list[Middleware] = []
        self.instrumentation = Instrumentation()
        self.runtime = runtime
        self.config = config
        self.answered = False  # a WSGI app has begun an answer
        self.call_failures = CallFailures(runtime.health)
        self._asgi = asgi
        self._tracing = tracing
        self._replaces_handlers = logs and config.log_replace_handlers
        self._sigterm = Sigterm(lambda: self.stop(self._sigterm.release_signal))
        self._pid = 0
        self._used = False  # the server has called the app, so there is something to drain
        self._lifespan: bool | None = None  # None: not seen; else whether its start-up is over
        self._interpreter: InterpreterMetrics | None = None
        self._loop: Loop
        self._follower: Follower
        self._drain: ProcessDrain
        self._forget()
        os.register_at_fork(after_in_child=self._forked)

    def _forget(self) -> None:
        now = time.monotonic()
        self.lifecycle = Lifecycle(now)
        self._app_loop: asyncio.AbstractEventLoop | None = None
        self._last_heartbeat = now
        self._heartbeat_due = 0.0  # the app's loop has been asked for a heartbeat since then
        self._watchdog: LoopWatchdog | None = None
        self._leader: Leader | None = None
        self._tries = 0  # to get the admin port or find the leader
        self._starting = threading.Lock()
        self._check_runner: CheckRunner | None = None
        self._checked = False

    # Called by the middlewares and by the server

    def start(self) -> None:
        """Begin: at import, and again in a process that was forked after it."""
        self._loop = Loop()
        self._loop.accept_threads()
        self._follower = Follower(self._loop, self._claim)
        self._drain = ProcessDrain(self._loop, self.config, self.runtime, self._close)
        self._drain.tracing = self._tracing
        self._count()
        self._sigterm.install()
        hold_hypercorn(self.stop)
        self._handle_sigusr1()
        self._pid = os.getpid()
        threading.Thread(target=self._run, name="podready", daemon=True).start()

    def _count(self) -> None:
        """Count in this process's segment from now on."""
        segment = self._follower.segment
        self.runtime.counters.connect(segment)
        self._interpreter = InterpreterMetrics(segment, _HEARTBEAT)
        kind = Instrumentation if self._asgi else LockedInstrumentation
        self.instrumentation = kind(HttpMetrics(segment), self._tracing)
        for middleware in self.middlewares:
            middleware.instrumentation = self.instrumentation

    def _handle_sigusr1(self) -> None:
        """Log DEBUG for a while on SIGUSR1, where the server has no use of its own for it."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
            signal.signal(signal.SIGUSR1, self._debug)

    def _debug(self, _number: int, _frame: object) -> None:
        """Pass SIGUSR1 on; a forked child that has not served yet ignores it."""
        if self._pid == os.getpid():
            self._loop.call_soon_threadsafe(self._follower.debug)

    def _forked(self) -> None:
        """Close what belongs to the parent: a child has its sockets but not its thread."""
        if not self._pid:
            return
        leader = self._leader
        for sock in (*self._follower.sockets(), *(leader.sockets() if leader else ())):
            sock.close()
        self._loop.close()
        self._follower.release()
        if leader is not None:
            leader.release()
        if self._interpreter is not None:
            self._interpreter.close()
        self._pid = 0
        self._forget()

    def used(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Note that the server calls the app, on `loop` if it is an ASGI app."""
        if self._pid != os.getpid():
            self._start_once()
        if not self._used:
            self._used = True
            self._integrate()
        if loop is not self._app_loop and loop is not None:
            self._last_heartbeat = time.monotonic()
            self._app_loop = loop

    def _start_once(self) -> None:
        """Begin in a forked child, whose first requests may come on many threads at once."""
        with self._starting:
            if self._pid != os.getpid():
                self.start()

    def lifespan(self, *, started: bool) -> None:
        """Note that the server runs the app's lifespan, and when its start-up is complete."""
        self._lifespan = started
        if started:
            self._integrate()

    def _integrate(self) -> None:
        """Take in frameworks and log handlers that came after `wrap`."""
        watch_frameworks()
        if self._replaces_handlers:
            replace_handlers()

    def stop(self, release_signal: Callable[[], object]) -> bool:
        """Begin the drain and call `release_signal` at its end; False: nothing to wait for.

        Called from a signal handler: it takes no lock and leaves the rest to the thread. A second
        signal hurries, and a process that never served (gunicorn's arbiter) passes it on.
        """
        again = self.draining
        self.draining = self.runtime.shutdown.is_set = True
        for middleware in self.middlewares:
            middleware.serving.draining = True
        if again or self._pid != os.getpid() or not self._used:
            return False
        self._loop.call_soon_threadsafe(lambda: self._begin_drain(release_signal))
        return True

    # The thread

    def _run(self) -> None:
        self._claim()
        self._tick()
        self._loop.run()

    def _claim(self) -> None:
        """Become the leader if the admin port can be had, else follow the leader."""
        if self._follower.connected:
            return
        try:
            sock = self._admin_socket()
        except StartupError as error:
            if not self._follower.seek(self.config.admin_port):
                self._wait_for_port(error)
            return
        self._lead(sock)

    def _admin_socket(self) -> socket.socket:
        sock = bind(self.config.admin_host, self.config.admin_port, "PODREADY_ADMIN_PORT")
        try:
            listen(sock, "PODREADY_ADMIN_PORT")
        except StartupError:
            sock.close()
            raise
        return sock

    def _wait_for_port(self, error: StartupError) -> None:
        """Try again; after a while the port belongs to a process that is no leader."""
        self._tries += 1
        if self._tries == _QUIET_TRIES:
            _log.warning("this process has no probes: %s", error)
        self._loop.call_later(_CLAIM, self._claim)

    def _lead(self, admin: socket.socket) -> None:
        self._leader = Leader(
            self._loop, self.config, self.lifecycle, self._status, self._follower.segment
        )
        self._follower.join(self._leader.open(admin))
        self._tries = 0

    def _tick(self) -> None:
        """Look twice a second at what reports nothing by itself: the listener, the app's loop."""
        self._loop.call_later(_HEARTBEAT, self._tick)
        if self.lifecycle.phase is Phase.STARTING and self._has_started():
            self.lifecycle.advance(Phase.READY, time.monotonic())
        if self._check_runner is None and not self._unsure():
            self._check_runner = CheckRunner(self.runtime.registry.checks, lambda: None)
            self._start_checks(self._check_runner)
        self._request_heartbeat()
        self.call_failures.recheck(worked=self.answered)
        for middleware in self.middlewares:
            middleware.recheck_calls()
        self._report_to_leader()

    def _request_heartbeat(self) -> None:
        """Ask the app's loop for a heartbeat, unless it still has to answer an earlier one."""
        loop = self._app_loop
        if loop is None or loop.is_closed():
            if self._interpreter is not None:
                self._interpreter.sample(None)
        elif not self._heartbeat_due:
            self._heartbeat_due = time.monotonic()
            loop.call_soon_threadsafe(self._note_heartbeat)

    def _note_heartbeat(self) -> None:
        """Note, on the app's loop, that it turns."""
        now = self._last_heartbeat = time.monotonic()
        if self._watchdog is None:
            self._watchdog = LoopWatchdog(self._stalled)
        self._watchdog.heartbeat()
        if self._interpreter is not None:
            self._interpreter.sample(now - self._heartbeat_due)
        self._heartbeat_due = 0.0

    def _stalled(self, place: str, seconds: float) -> None:
        if self._interpreter is not None:
            self._interpreter.stalled()
        log_stall(place, seconds)

    def _report_to_leader(self) -> None:
        in_flight = self.runtime.in_flight
        heartbeat = Heartbeat(
            serving=self._used,
            inflight=in_flight.count(ItemKind.REQUEST, ItemKind.TASK),
            streams=in_flight.count(ItemKind.STREAM, ItemKind.WEBSOCKET),
            cpu=time.process_time(),
            tasks=long_running(in_flight),
            registry=app_registry.has_registry(),
        )
        self._follower.report(self._health(), heartbeat)

    def _health(self) -> HealthReport:
        check_runner, health = self._check_runner, self.runtime.health
        if check_runner is None:
            return HealthReport(
                failing=health.failing(), unhealthy=health.unhealthy, unready=health.reason()
            )
        return HealthReport(
            failing=[*check_runner.failing(), *health.failing()],
            stale_after=check_runner.stale_after(),
            unhealthy=health.unhealthy,
            unready=health.reason(),
            groups=check_runner.groups(),
            checks=check_runner.facts(),
        )

    def _unsure(self) -> bool:
        """Whether the server may be about to start the app, or is doing so."""
        if self._lifespan is not None or not self._asgi:
            return self._lifespan is False
        return time.monotonic() - self.lifecycle.started_at < _LIFESPAN_TIMEOUT

    def _has_started(self) -> bool:
        if self._unsure() or (self.runtime.registry.checks and not self._checked):
            return False
        return has_listener([self._leader.listener] if self._leader else [])

    def _start_checks(self, check_runner: CheckRunner) -> None:
        """Run the checks on the app's loop, or on a loop of their own where it has none."""
        if self._app_loop is not None:
            asyncio.run_coroutine_threadsafe(self._check(check_runner), self._app_loop)
            return

        def run() -> None:
            with asyncio.Runner() as runner:
                runner.run(self._check(check_runner))
                runner.get_loop().run_forever()

        threading.Thread(target=run, name="podready checks", daemon=True).start()

    async def _check(self, check_runner: CheckRunner) -> None:
        await check_runner.first_run()
        self._checked = True
        check_runner.start()

    def _begin_drain(self, release_signal: Callable[[], object]) -> None:
        if self.lifecycle.advance(Phase.DRAINING, time.monotonic()):
            self.runtime.counters.drain_began()
            self.runtime.shutdown.set_threadsafe()
            self._drain.begin(release_signal)

    def _close(self) -> None:
        self.lifecycle.advance(Phase.CLOSING, time.monotonic())
        self.ending = True

    # Probes

    def answer(self, path: str, *, verbose: bool = False) -> Answer | None:
        """Return the answer to a probe, None for any other path; from any thread."""
        return answer_probe(path, self._status(), verbose=verbose)

    def _status(self) -> PodStatus:
        now = time.monotonic()
        phase = self.lifecycle.phase
        if self.draining and phase in {Phase.STARTING, Phase.READY}:
            phase = Phase.DRAINING  # the thread is about to advance
        health = self.runtime.health
        unready = health.failing()
        unready += self._check_runner.failing() if self._check_runner else []
        silent = now - self._last_heartbeat if self._app_loop and phase is Phase.READY else 0.0
        return PodStatus(
            phase=phase,
            started=self.lifecycle.since(Phase.READY) is not None,
            startup_phase=phase,
            elapsed=now - self.lifecycle.started_at,
            limit=0.0,
            unready=tuple(unready),
            unhealthy=health.unhealthy,
            stalled=silent if silent > self.config.stall_timeout else None,
            serves_draining=self.config.drain_readiness == "serve",
            details={
                "pid": os.getpid(),
                "inflight": self.runtime.in_flight.count(),
                "checks": self._check_runner.facts() if self._check_runner else {},
                "unready": health.reason(),
                "unhealthy": health.unhealthy,
            },
        )
