"""The worker: a forked child that imports the user's app and serves it on an engine.

It speaks to the supervisor over a channel and never touches signals' meaning itself: what a
SIGTERM amounts to is decided by the supervisor, which sends `drain`, `close` and `cancel`.
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
from podready.errors import PodreadyError, SettingsError, StartupError
from podready.runtime.app.check_runner import Checking
from podready.runtime.app.checks import CHECKS, HEALTH
from podready.runtime.app.hooks import SHUTDOWN, WARMUP, Hook
from podready.runtime.app.lifespan import Lifespan
from podready.runtime.app.loading import load_app, speaks_asgi
from podready.runtime.app.shutdown_notice import NOTICE
from podready.runtime.app.warmup import run_warmups
from podready.runtime.engines import Engine, engine_class
from podready.runtime.logs import block_until, configure, end_blocking, lines_wait, take_over
from podready.runtime.logs.levels import LEVELS
from podready.runtime.logs.stack import shorten
from podready.runtime.loop.listener import sentence_for
from podready.runtime.metrics import app_registry
from podready.runtime.metrics.counters import METER
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.interpreter import Vitals
from podready.runtime.requests import inflight
from podready.runtime.requests.concurrency_limit import Limit
from podready.runtime.requests.inflight import IN_FLIGHT, Kind
from podready.runtime.requests.loop_watchdog import Watchdog, log_stall
from podready.runtime.requests.middleware import Wrapper
from podready.runtime.requests.observer import Observer
from podready.runtime.requests.route import watch_frameworks, watch_wsgi
from podready.runtime.requests.stack_location import describe, oldest
from podready.runtime.tracing.spans import FLUSH_SECONDS, start_tracing
from podready.runtime.worker.drain import Drain, Timeline, finish_app
from podready.runtime.wsgi.bridge import WsgiBridge, wsgi_to_asgi

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.loop.channel import Channel, Message
    from podready.runtime.tracing.spans import Tracing
    from podready.runtime.worker.start import WorkerStart

_BEAT = 0.5
"""Seconds between heartbeats, as lightweight and as frequent as microship's."""

_OLD = 1.0
"""Seconds after which work is shown in /tasks; most requests are over before."""

_MOST_TOLD = 20

_log = logging.getLogger("podready.worker")


class StartAborted(BaseException):
    """SIGTERM came while the app was still starting."""


def run_worker(start: WorkerStart) -> int:
    """Be the worker; returns its exit code. The supervisor is told the reason before that."""
    try:
        _take_signals(start.signal_mask)
        return _run(start)
    except StartAborted:
        start.channel.send("stopped", cut=0, log_waits=lines_wait())
        return ExitCode.OK
    except PodreadyError as error:  # before SystemExit: a SettingsError is both
        return _failed(start.channel, error)
    except SystemExit as error:
        return _exited(start.channel, error)


def _failed(channel: Channel, error: PodreadyError) -> int:
    """Report a start that failed, with the exit code that the pod shall have."""
    bad_settings = isinstance(error, SettingsError)
    code = ExitCode.CONFIG if bad_settings else ExitCode.STARTUP_FAILED
    trace = getattr(error, "trace", None)
    said = getattr(error, "reported", False)
    # Shortened: what does not fit into the socket at once would be lost with the process.
    facts = {"trace": trace, "logged": said, "log_waits": lines_wait()}
    channel.send("failed", exit=code, message=shorten(str(error)), **facts)
    return code


def _exited(channel: Channel, error: SystemExit) -> int:
    """Report an app that called sys.exit; 78 is kept, for it means bad settings everywhere."""
    code = error.code if isinstance(error.code, int) else ExitCode.STARTUP_FAILED
    wanted = ExitCode.CONFIG if code == ExitCode.CONFIG else ExitCode.STARTUP_FAILED
    said = f": {error.code}" if isinstance(error.code, str) else f" with exit code {error.code}"
    message = shorten(f"the app ended itself{said}")
    channel.send("failed", exit=wanted, message=message, trace=None, log_waits=lines_wait())
    return wanted


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
    block_until(lambda: start.channel.has_arrived("close"))
    inflight.managed = True
    METER.use(start.shelf)
    start.channel.send("stage", stage="importing")
    app = load_app(config.app, config.app_dir)
    if config.log_takeover:
        take_over()
    watch_frameworks()
    tracing = start_tracing(os.environ)
    if tracing is not None:  # the first hook runs last
        SHUTDOWN.insert(0, Hook("telemetry", tracing.flush, FLUSH_SECONDS))
    asgi = config.interface == "asgi" or (config.interface == "auto" and speaks_asgi(app))
    if not asgi:
        app = wsgi_to_asgi(watch_wsgi(app), config.threads)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_Worker(start, app, wsgi=not asgi, tracing=tracing).serve())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on this platform; asyncio's own loop does the same, slower
        return None
    return uvloop.new_event_loop


class _Worker:
    """The worker's life on its event loop."""

    def __init__(
        self, start: WorkerStart, app: Callable[..., Any], *, wsgi: bool, tracing: Tracing | None
    ) -> None:
        self._config = start.config
        self._channel = start.channel
        self._listener = start.listener
        self._shelf = start.shelf
        self._bridge = app if isinstance(app, WsgiBridge) else None
        self._lifespan = Lifespan(app, "off" if wsgi else start.config.lifespan)
        config = start.config
        self._limit = (
            Limit(config.max_concurrency, config.max_wait) if config.max_concurrency else None
        )
        self._engine_class = engine_class(start.config.engine)
        self._wrapper = Wrapper(
            app,
            IN_FLIGHT,
            secret=start.secret,
            access_log=start.config.access_log,
            client_gone=self._engine_class.client_gone,
            limit=self._limit,
            observer=Observer(HttpMetrics(start.shelf), tracing),
        )
        self._engine: Engine | None = None
        self._drain: Drain | None = None
        self._closing: asyncio.Future[Timeline] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._checking = Checking(CHECKS, self._tell_state)

    async def serve(self) -> int:
        """Start, serve until told to close, stop."""
        loop = asyncio.get_running_loop()
        self._rendering = app_registry.Rendering(
            self._shelf.write_text, loop.call_soon_threadsafe, self._tell_registry
        )
        self._closing = loop.create_future()
        self._wrapper.stay_on(loop)
        loop.add_reader(self._channel.sock.fileno(), self._receive)
        beats = asyncio.create_task(self._beat(), name="heartbeat")
        try:
            await self._start()
        except PodreadyError as error:
            # Told now: the loop's own end may hang on a thread that never returns.
            return _failed(self._channel, error)
        assert self._engine is not None
        self._drain = Drain(self._engine, IN_FLIGHT, self._lifespan)
        timeline = await self._closing
        self._checking.stop()
        await self._drain.run(timeline, self._config.stream_window, SHUTDOWN)
        beats.cancel()
        told = {"cut": self._drain.cut, "stuck": self._drain.stuck[:_MOST_TOLD]}
        self._channel.send("stopped", **told, log_waits=lines_wait())
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
        # A process group's SIGTERM reaches us too; from here on the supervisor's word counts.
        loop.add_signal_handler(signal.SIGTERM, _nothing)

    async def _start_up(self) -> None:
        self._channel.send("stage", stage="lifespan")
        await self._lifespan.startup()
        if self._config.log_takeover:
            take_over()
        await run_warmups(WARMUP, self._report_stage)
        self._watch_word()
        self._report_stage("checks", None)
        await self._checking.first_run()
        self._tell_state()
        # All that the app and its libraries have made until now stays: a full collection would walk
        # it again and again, for 10-30 ms each time with FastAPI. It costs no memory, because
        # nothing is left to collect after the imports (see `gc.freeze`).
        gc.freeze()
        self._engine = self._engine_class(self._wrapper, self._config, self._lifespan.state)
        try:
            await self._engine.listen(self._listener)
        except OSError as error:
            host, port = self._listener.getsockname()[:2]
            raise StartupError(sentence_for(error, host, port, "--port")) from error
        self._checking.start()
        self._channel.send("listening")

    def _report_stage(self, stage: str, fraction: float | None) -> None:
        self._channel.send("stage", stage=stage, fraction=fraction)

    def _watch_word(self) -> None:
        """Hear of set_ready() and mark_unhealthy(), from whatever thread they are called."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            loop.call_soon_threadsafe(self._tell_state)

        HEALTH.changed = changed

    def _tell_state(self) -> None:
        said = ["set_ready"] if HEALTH.unready is not None else []
        self._channel.send(
            "state",
            failing=[*self._checking.failing(), *said],
            stale_after=self._checking.stale_after(),
            unhealthy=HEALTH.unhealthy,
            groups=self._checking.groups(),
            facts={
                "checks": self._checking.facts(),
                "unready": HEALTH.unready,
                "unhealthy": HEALTH.unhealthy,
            },
        )

    async def _abort(self) -> None:
        _log.info("start-up stopped by SIGTERM")
        self._channel.send("aborting")
        await finish_app(self._lifespan, SHUTDOWN, time.monotonic() + self._config.hook_time)
        self._channel.send("stopped", cut=0, log_waits=lines_wait())

    async def _beat(self) -> None:
        vitals = Vitals(self._shelf, _BEAT)

        def stalled(place: str, silent: float) -> None:
            vitals.stalled()
            log_stall(place, silent)

        watchdog = Watchdog(stalled)
        while True:
            watchdog.beat()
            self._channel.send(
                "beat",
                inflight=IN_FLIGHT.count(Kind.REQUEST, Kind.TASK),
                streams=IN_FLIGHT.count(Kind.STREAM, Kind.WEBSOCKET),
                connections=self._engine.open_connections() if self._engine else 0,
                served=self._wrapper.served,
                queued=self._queued(),
                shed=self._limit.shed if self._limit else 0,
                cpu=time.process_time(),
                works=[describe(work) for work in oldest(IN_FLIGHT, _OLD, _MOST_TOLD)],
                registry=app_registry.has_registry(),
            )
            vitals.beat()
            await asyncio.sleep(_BEAT)

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
            self._obey(message)

    def _obey(self, message: Message) -> None:
        kind = message["kind"]
        if kind == "drain":
            self._wrapper.serving.draining = True
            METER.draining()
            NOTICE.give()
        elif kind == "close":
            self._close(Timeline(message["cancel_at"], message["end_at"]))
        elif kind == "cancel" and self._drain is not None:
            self._drain.hurry()
        elif kind == "levels":
            LEVELS.override(message["table"])
        elif kind == "registry":
            self._rendering.begin(message["openmetrics"], message["turn"])

    def _tell_registry(self, size: int, openmetrics: bool, turn: int) -> None:
        self._channel.send("registry", bytes=size, openmetrics=openmetrics, turn=turn)

    def _close(self, timeline: Timeline) -> None:
        end_blocking()
        self._wrapper.serving.draining = True
        NOTICE.give()
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(timeline)

    def _orphaned(self) -> None:
        """The supervisor is gone, against all rules: stop at once, within the hooks' time."""
        _log.critical("the supervisor is gone; stopping")
        now = time.monotonic()
        self._close(Timeline(now + 1.0, now + 1.0 + self._config.hook_time))
        if self._starting is not None:
            self._starting.cancel()


def _nothing() -> None:
    """Leave the signal to the supervisor."""
