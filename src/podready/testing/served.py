"""The runtime on one event loop: engine, drain and probes, without processes and signals."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from podready.contract import Phase
from podready.runtime.admin.probes import Answer, PodStatus, answer_group, answer_probe
from podready.runtime.admin.server import BadRequestError, parse_request, render
from podready.runtime.app.call_failures import CallFailures
from podready.runtime.app.check_runner import CheckRunner
from podready.runtime.app.interface import Interface, finished_app_interface
from podready.runtime.app.lifespan import Lifespan
from podready.runtime.app.warmup import run_warmups
from podready.runtime.budget import Budget
from podready.runtime.engines import Engine
from podready.runtime.engines.uvicorn import UvicornEngine
from podready.runtime.lifecycle import Lifecycle
from podready.runtime.loop.listener import bind
from podready.runtime.process import RUNTIME
from podready.runtime.requests.middleware import Middleware, MiddlewareOptions
from podready.runtime.run_config import RunConfig
from podready.runtime.worker.drain import Timeline, WorkerDrain
from podready.runtime.wsgi.bridge import WsgiBridge
from podready.testing.sockets import HOST

_GROUP: Final = "/health/"
_HEAD_SECONDS: Final = 5.0
_THREADS: Final = 32
"""As `podready run --threads`."""


class Served:
    """One app on one event loop, from its start-up to its last hook."""

    def __init__(self, app: Callable[..., Any], budget: Budget) -> None:
        self.stuck: list[str] = []
        self.port = self.admin_port = 0
        self._budget = budget
        self._config = RunConfig(app=type(app).__name__, host=HOST)
        asgi = finished_app_interface(app, "the app under test") is Interface.ASGI
        self._bridge = None if asgi else WsgiBridge(app, _THREADS)
        self._lifespan = Lifespan(app, "auto" if asgi else "off")
        self._runtime = RUNTIME  # which `podready.check` and the like have changed already
        self._middleware = Middleware(
            self._bridge or app,
            self._runtime.in_flight,
            MiddlewareOptions(client_gone=UvicornEngine.client_gone),
            counters=self._runtime.counters,
            shutdown=self._runtime.shutdown,
            call_failures=CallFailures(self._runtime.health),
        )
        self._lifecycle = Lifecycle(time.monotonic())
        self._check_runner = CheckRunner(self._runtime.registry.checks, lambda: None)
        self._admin: asyncio.Server | None = None
        self._drain: WorkerDrain | None = None
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()

    async def start(self) -> None:
        """Start the app and listen; raises StartupError with the reason when that fails."""
        self._middleware.stay_on(asyncio.get_running_loop())
        self._admin = await asyncio.start_server(self._answer, HOST, 0)
        self.admin_port = self._admin.sockets[0].getsockname()[1]
        await self._lifespan.startup()
        await run_warmups(self._runtime.registry.warmups, lambda _stage, _fraction: None)
        await self._check_runner.first_run()
        with _logger_unchanged("uvicorn.access"):  # which uvicorn mutes for the whole process
            self._engine: Engine = UvicornEngine(
                self._middleware, self._config, self._lifespan.state
            )
        sock = bind(HOST, 0, "the port")
        self.port = sock.getsockname()[1]
        await self._engine.listen(sock)
        self._check_runner.start()
        self._drain = WorkerDrain(
            self._engine, self._runtime.in_flight, self._lifespan, self._runtime.counters
        )
        self._lifecycle.advance(Phase.READY, time.monotonic())

    def ask_to_drain(self, *, hurry: bool = False) -> None:
        """Begin the drain, as SIGTERM does; `hurry` leaves out the waiting."""
        self._asked.set()
        if hurry:
            self._hurried.set()
            if self._drain is not None:
                self._drain.hurry()

    async def serve(self) -> None:
        """Serve until the drain is asked for, then drain."""
        assert self._drain is not None
        await self._asked.wait()
        begun = time.monotonic()
        self._lifecycle.advance(Phase.DRAINING, begun)
        self._middleware.serving.draining = True
        self._runtime.shutdown.set()
        await _wait(self._hurried, self._budget.drain)
        now = time.monotonic()
        self._lifecycle.advance(Phase.CLOSING, now)
        self._check_runner.stop()
        hurried = self._hurried.is_set()
        timeline = Timeline(
            now if hurried else begun + self._budget.cancels_at,
            now + self._budget.hooks if hurried else begun + self._budget.ends_at,
        )
        hooks = self._runtime.registry.shutdown_hooks
        await self._drain.run(timeline, self._config.stream_window, hooks)
        self.stuck = self._drain.stuck
        self._lifecycle.advance(Phase.STOPPED, time.monotonic())

    async def close(self) -> None:
        """Close what is left, and put back what this process knew before."""
        self._check_runner.stop()
        self._lifespan.cancel()
        if self._admin is not None:
            self._admin.close()
        if self._bridge is not None:
            self._bridge.close()
        in_flight, health = self._runtime.in_flight, self._runtime.health
        in_flight.items.clear()
        in_flight.forget_loop()
        self._runtime.shutdown.is_set = False
        health.unready = health.unhealthy = health.uncallable = None

    # Probes

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            request = parse_request(head.removesuffix(b"\r\n\r\n"), loopback=True)
            answer = self._probe(request.path, verbose="verbose" in request.query)
            writer.write(render(answer, head_only=request.method == "HEAD"))
            await writer.drain()
        except BadRequestError as error:
            writer.write(render(Answer(error.status, b"", "text/plain")))
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # the client is gone, or speaks something else
        finally:
            writer.close()

    def _probe(self, path: str, *, verbose: bool) -> Answer:
        if path.startswith(_GROUP):
            failing = self._check_runner.groups().get(path.removeprefix(_GROUP))
            if failing is not None:
                return answer_group(failing)
        found = answer_probe(path, self._status(), verbose=verbose)
        return found or Answer(404, b"not found\n", "text/plain")

    def _status(self) -> PodStatus:
        phase = self._lifecycle.phase
        return PodStatus(
            phase=phase,
            started=self._lifecycle.since(Phase.READY) is not None,
            startup_phase=phase,
            elapsed=time.monotonic() - self._lifecycle.started_at,
            limit=self._config.startup_timeout,
            unready=(*self._runtime.health.failing(), *self._check_runner.failing()),
            unhealthy=self._runtime.health.unhealthy,
            details={
                "inflight": self._runtime.in_flight.count(),
                "checks": self._check_runner.facts(),
            },
        )


@contextmanager
def _logger_unchanged(name: str) -> Iterator[None]:
    """Put a logger's handlers and its propagation back at the end of the block."""
    logger = logging.getLogger(name)
    handlers, propagate = list(logger.handlers), logger.propagate
    try:
        yield
    finally:
        logger.handlers[:], logger.propagate = handlers, propagate


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
