"""The worker: a forked child that imports the user's app and serves it on an engine.

It exchanges messages with the supervisor over a channel and gives signals no meaning of its own:
the supervisor decides what a SIGTERM means, and sends `Drain`, `Close` and `Cancel`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from podready.contract import ExitCode
from podready.errors import PodreadyError, StartupError
from podready.runtime.app.call_failures import CallFailures
from podready.runtime.app.check_runner import CheckRunner
from podready.runtime.app.interface import Interface
from podready.runtime.app.lifespan import Lifespan
from podready.runtime.app.loading import load_app
from podready.runtime.app.registry import Hook
from podready.runtime.app.warmup import run_warmups
from podready.runtime.engines import Engine, engine_class
from podready.runtime.logs import (
    add_source,
    block_until,
    configure,
    end_blocking,
    lines_wait,
    replace_handlers,
)
from podready.runtime.logs.log import LOG
from podready.runtime.loop.listener import sentence_for
from podready.runtime.loop.messages import (
    Cancel,
    Close,
    Drain,
    HealthReport,
    Heartbeat,
    Listening,
    LogLevels,
    Message,
    RegistryRequest,
    RegistryText,
    StartupAborting,
    StartupPhase,
    Stopped,
    Unreadable,
    unexpected,
)
from podready.runtime.metrics import app_registry
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.interpreter import InterpreterMetrics
from podready.runtime.process import RUNTIME
from podready.runtime.requests.concurrency_limit import ConcurrencyLimit
from podready.runtime.requests.inflight import ItemKind, current_log_fields
from podready.runtime.requests.instrumentation import Instrumentation
from podready.runtime.requests.loop_watchdog import LoopWatchdog, log_stall
from podready.runtime.requests.middleware import Middleware, MiddlewareOptions
from podready.runtime.requests.route import watch_frameworks, watch_wsgi
from podready.runtime.requests.stack_location import MAX_SHOWN, long_running
from podready.runtime.tracing.spans import FLUSH_SECONDS, start_tracing
from podready.runtime.worker.drain import Timeline, WorkerDrain, finish_app
from podready.runtime.worker.failures import report_exit, report_failure
from podready.runtime.wsgi.bridge import WsgiBridge, wsgi_to_asgi

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.process import Runtime
    from podready.runtime.tracing.spans import Tracing
    from podready.runtime.worker.start import WorkerStart

_HEARTBEAT = 0.5
"""Seconds between heartbeats."""

_log = logging.getLogger("podready.worker")


class StartAborted(BaseException):
    """SIGTERM came while the app was still starting."""


def run_worker(start: WorkerStart) -> int:
    """Run the worker and return its exit code; a failure is reported to the supervisor first."""
    try:
        _take_signals(start.signal_mask)
        return _run(start)
    except StartAborted:
        start.channel.send(Stopped(log_waits=lines_wait()))
        return ExitCode.OK
    except PodreadyError as error:  # before SystemExit: a SettingsError is both
        return report_failure(start.channel, error)
    except SystemExit as error:
        return report_exit(start.channel, error)


def _take_signals(mask: frozenset[int]) -> None:
    # Handlers, not SIG_IGN: a process that the app starts must get the kernel's defaults back.
    signal.signal(signal.SIGINT, _leave_to_supervisor)
    signal.signal(signal.SIGHUP, _leave_to_supervisor)
    signal.signal(signal.SIGUSR1, _leave_to_supervisor)
    signal.signal(signal.SIGTERM, _abort_start)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # blocked by the supervisor around the fork


def _leave_to_supervisor(_number: int, _frame: object) -> None:
    """Ctrl-C reaches the whole terminal; the supervisor decides what it means."""


def _abort_start(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, _leave_to_supervisor)
    raise StartAborted


def _run(start: WorkerStart) -> int:
    config = start.config
    configure(options=config.logs())
    block_until(lambda: start.channel.has_arrived(Close))
    runtime = RUNTIME
    runtime.managed = True
    runtime.counters.connect(start.segment)
    add_source(current_log_fields)
    start.channel.send(StartupPhase("importing"))
    loaded = load_app(
        config.app, config.app_dir, interface=config.interface, factory=config.factory
    )
    app, asgi = loaded.call, loaded.interface is Interface.ASGI
    if config.log_replace_handlers:
        replace_handlers()
    watch_frameworks()
    tracing = start_tracing(os.environ)
    if tracing is not None:  # the first hook runs last
        runtime.registry.shutdown_hooks.insert(0, Hook("telemetry", tracing.flush, FLUSH_SECONDS))
    if not asgi:
        app = wsgi_to_asgi(watch_wsgi(app), config.threads)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_Worker(start, app, runtime, wsgi=not asgi, tracing=tracing).serve())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on this platform; asyncio's own loop does the same, slower
        return None
    return uvloop.new_event_loop


class _Worker:
    """The worker's life on its event loop."""

    def __init__(
        self,
        start: WorkerStart,
        app: Callable[..., Any],
        runtime: Runtime,
        *,
        wsgi: bool,
        tracing: Tracing | None,
    ) -> None:
        self._config = config = start.config
        self._runtime = runtime
        self._channel = start.channel
        self._listener = start.listener
        self._segment = start.segment
        self._bridge = app if isinstance(app, WsgiBridge) else None
        self._lifespan = Lifespan(app, "off" if wsgi else config.lifespan)
        most = config.max_concurrency
        self._limit = ConcurrencyLimit(most, config.max_wait) if most else None
        self._engine_class = engine_class(config.engine)
        self._middleware = Middleware(
            app,
            runtime.in_flight,
            MiddlewareOptions(
                client_gone=self._engine_class.client_gone,
                secret=start.secret,
                access_log=config.access_log,
                limit=self._limit,
                root_path=config.root_path,
            ),
            counters=runtime.counters,
            shutdown=runtime.shutdown,
            call_failures=CallFailures(runtime.health),
            instrumentation=Instrumentation(HttpMetrics(start.segment), tracing),
        )
        self._engine: Engine | None = None
        self._drain: WorkerDrain | None = None
        self._closing: asyncio.Future[Timeline] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._check_runner = CheckRunner(runtime.registry.checks, self._report_health)

    @property
    def _hooks(self) -> list[Hook]:
        """The shutdown hooks; the app may register some while it serves."""
        return self._runtime.registry.shutdown_hooks

    async def serve(self) -> int:
        """Start, serve until told to close, stop."""
        loop = asyncio.get_running_loop()
        self._rendering = app_registry.RegistryRenderer(
            self._segment.write_text, loop.call_soon_threadsafe, self._report_registry
        )
        self._closing = loop.create_future()
        self._middleware.stay_on(loop)
        loop.add_reader(self._channel.sock.fileno(), self._receive)
        heartbeats = asyncio.create_task(self._send_heartbeats(), name="heartbeat")
        try:
            await self._start()
        except PodreadyError as error:
            # Reported now: the loop's own end may hang on a thread that never returns.
            return report_failure(self._channel, error)
        assert self._engine is not None
        self._drain = WorkerDrain(
            self._engine, self._runtime.in_flight, self._lifespan, self._runtime.counters
        )
        timeline = await self._closing
        self._check_runner.stop()
        await self._drain.run(timeline, self._config.stream_window, self._hooks)
        heartbeats.cancel()
        stuck = self._drain.stuck[:MAX_SHOWN]
        self._channel.send(Stopped(cut=self._drain.cut, stuck=stuck, log_waits=lines_wait()))
        return ExitCode.CUT if self._drain.cut and self._config.strict_exit else ExitCode.OK

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._starting = asyncio.create_task(self._start_up(), name="start-up")
        loop.add_signal_handler(signal.SIGTERM, self._starting.cancel)
        try:
            await self._starting
        except asyncio.CancelledError:
            await self._abort()
            raise StartAborted from None
        # A process group's SIGTERM reaches the worker too; from here on the supervisor decides.
        loop.add_signal_handler(signal.SIGTERM, _nothing)

    async def _start_up(self) -> None:
        self._channel.send(StartupPhase("lifespan"))
        await self._lifespan.startup()
        if self._config.log_replace_handlers:
            replace_handlers()
        await run_warmups(self._runtime.registry.warmups, self._report_phase)
        self._watch_health()
        self._report_phase("checks", None)
        await self._check_runner.first_run()
        self._report_health()
        # All that the app and its libraries have made until now stays: a full collection would walk
        # it again and again, for 10-30 ms each time with FastAPI. It costs no memory, because
        # nothing is left to collect after the imports (see `gc.freeze`).
        gc.freeze()
        self._engine = self._engine_class(self._middleware, self._config, self._lifespan.state)
        try:
            await self._engine.listen(self._listener)
        except OSError as error:
            host, port = self._listener.getsockname()[:2]
            raise StartupError(sentence_for(error, host, port, "--port")) from error
        self._check_runner.start()
        self._channel.send(Listening())

    def _report_phase(self, phase: str, fraction: float | None) -> None:
        self._channel.send(StartupPhase(phase, fraction))

    def _watch_health(self) -> None:
        """Report each call of set_ready() and mark_unhealthy(), from any thread."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            loop.call_soon_threadsafe(self._report_health)

        self._runtime.health.changed = changed

    def _report_health(self) -> None:
        health = self._runtime.health
        report = HealthReport(
            failing=[*self._check_runner.failing(), *health.failing()],
            stale_after=self._check_runner.stale_after(),
            unhealthy=health.unhealthy,
            unready=health.reason(),
            groups=self._check_runner.groups(),
            checks=self._check_runner.facts(),
        )
        self._channel.send(report)

    async def _abort(self) -> None:
        _log.info("start-up stopped by SIGTERM")
        self._channel.send(StartupAborting())
        await finish_app(
            self._lifespan,
            self._hooks,
            time.monotonic() + self._config.hook_time,
            self._runtime.counters,
        )
        self._channel.send(Stopped(log_waits=lines_wait()))

    async def _send_heartbeats(self) -> None:
        interpreter = InterpreterMetrics(self._segment, _HEARTBEAT)

        def stalled(place: str, silent: float) -> None:
            interpreter.stalled()
            log_stall(place, silent)

        watchdog = LoopWatchdog(stalled)
        while True:
            watchdog.heartbeat()
            self._channel.send(self._heartbeat())
            self._middleware.recheck_calls()
            interpreter.heartbeat()
            await asyncio.sleep(_HEARTBEAT)

    def _heartbeat(self) -> Heartbeat:
        in_flight = self._runtime.in_flight
        return Heartbeat(
            inflight=in_flight.count(ItemKind.REQUEST, ItemKind.TASK),
            streams=in_flight.count(ItemKind.STREAM, ItemKind.WEBSOCKET),
            connections=self._engine.open_connections() if self._engine else 0,
            served=self._middleware.served,
            queued=self._queued(),
            rejected=self._limit.rejected if self._limit else 0,
            cpu=time.process_time(),
            tasks=long_running(in_flight),
            registry=app_registry.has_registry(),
        )

    def _queued(self) -> int:
        """Return how many requests wait: for a place, or for a thread."""
        waiting = self._limit.waiting if self._limit else 0
        return waiting + (self._bridge.waiting if self._bridge else 0)

    def _receive(self) -> None:
        messages = self._channel.receive()
        if messages is None:
            asyncio.get_running_loop().remove_reader(self._channel.sock.fileno())
            self._orphaned()
            return
        for message in messages:
            self._handle(message)

    def _handle(self, message: Message | Unreadable) -> None:
        match message:
            case Drain():
                self._middleware.serving.draining = True
                self._runtime.counters.drain_began()
                self._runtime.shutdown.set()
            case Close(cancel_at, end_at):
                self._close(Timeline(cancel_at, end_at))
            case Cancel():
                if self._drain is not None:
                    self._drain.hurry()
            case LogLevels(levels):
                LOG.levels.override(levels)
            case RegistryRequest(openmetrics, request_id):
                self._rendering.begin(openmetrics, request_id)
            case _:
                _log.error("the supervisor %s", unexpected(message))

    def _report_registry(self, size: int, openmetrics: bool, request_id: int) -> None:
        self._channel.send(RegistryText(size, openmetrics, request_id))

    def _close(self, timeline: Timeline) -> None:
        end_blocking()
        self._middleware.serving.draining = True
        self._runtime.shutdown.set()
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(timeline)

    def _orphaned(self) -> None:
        """Stop at once, within the hooks' time: the supervisor is gone, which must not happen."""
        _log.critical("the supervisor is gone; stopping")
        now = time.monotonic()
        self._close(Timeline(now + 1.0, now + 1.0 + self._config.hook_time))
        if self._starting is not None:
            self._starting.cancel()


def _nothing() -> None:
    """Leave the signal to the supervisor."""
