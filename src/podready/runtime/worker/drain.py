"""The stop procedure inside the worker, from the closing of the listener to the last hook.

    closing     empty the accept queue, close the listener and quiet connections, end streams
    finishing   wait for what is in flight, saying every 5 s what that is
    cancelling  at the deadline: the stuck report, then cancel
    hooks       lifespan shutdown and shutdown hooks, last registered first

Each step leaves early when it has nothing to wait for, and all deadlines are moments of one
timeline which the supervisor made from the budget.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podready.runtime.app.timeouts import call_bounded
from podready.runtime.requests.ending import (
    UNWIND_SECONDS,
    end_stream,
    report_cut,
    stream_schedule,
)
from podready.runtime.requests.inflight import InFlight, InFlightItem
from podready.runtime.requests.stack_location import item_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from podready.runtime.app.lifespan import Lifespan
    from podready.runtime.app.registry import Hook
    from podready.runtime.engines import Engine
    from podready.runtime.metrics.counters import Counters

_QUIET = 1.0
"""Seconds: a connection that spoke or was accepted since may have a request on its way."""

_PROGRESS = 5.0
_CHECK = 0.05

_log = logging.getLogger("podready.drain")


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each step must be over: CLOCK_MONOTONIC seconds."""

    cancel_at: float
    end_at: float


class WorkerDrain:
    """Carries the stop out; `cut` afterwards says how much work had to be cancelled."""

    def __init__(
        self, engine: Engine, in_flight: InFlight, lifespan: Lifespan, counters: Counters
    ) -> None:
        self.cut = 0
        self.stuck: list[str] = []
        self._engine = engine
        self._in_flight = in_flight
        self._lifespan = lifespan
        self._counters = counters
        self._hurry = asyncio.Event()
        self._enders: list[asyncio.Task[None]] = []

    def hurry(self) -> None:
        """Go to the cancelling step now: a third SIGTERM, or a second Ctrl-C."""
        self._hurry.set()

    async def run(self, timeline: Timeline, window: float, hooks: list[Hook]) -> None:
        """Stop; returns when the last hook is over or cut."""
        taken = await self._engine.stop_accepting()
        if taken:
            _log.info("served %d connections from the accept queue", taken)
        ending = asyncio.create_task(self._end_streams(window), name="end streams")
        await self._finish(timeline.cancel_at)
        ending.cancel()
        if self._in_flight.items:
            await self._cancel()
        self._engine.close_idle(0)
        await finish_app(self._lifespan, hooks, timeline.end_at, self._counters)
        await self._engine.close()

    async def _end_streams(self, window: float) -> None:
        begin = time.monotonic()
        for seconds, item in stream_schedule(self._in_flight.items, window):
            if seconds:
                await asyncio.sleep(max(0.0, begin + seconds - time.monotonic()))
            self._enders.append(asyncio.create_task(self._end(item)))

    async def _end(self, item: InFlightItem) -> None:
        """End a stream, and its task too if it does not notice by itself."""
        await end_stream(item)
        # A thread cannot be cancelled, and a task that waits for one would only lose sight of it.
        if item.ended and item.thread is None and item.task and item in self._in_flight.items:
            item.task.cancel()

    async def _finish(self, deadline: float) -> None:
        report_at = time.monotonic() + _PROGRESS
        while self._busy() and time.monotonic() < deadline and not self._hurry.is_set():
            self._engine.close_idle(_QUIET)
            if not self._busy():
                return
            if time.monotonic() >= report_at:
                report_at += _PROGRESS
                self._report_progress(deadline)
            await self._wait_a_little()

    async def _wait_a_little(self) -> None:
        """Wait for the work to end; connections that close say nothing, so look at them often."""
        waiters: list[Coroutine[Any, Any, Any]] = [self._hurry.wait()]
        if self._in_flight.items:
            waiters.append(self._in_flight.wait_empty())
        await _first_of(waiters, _CHECK)

    def _busy(self) -> bool:
        return bool(self._in_flight.items) or self._engine.open_connections() > 0

    def _report_progress(self, deadline: float) -> None:
        items = self._in_flight.by_age()
        _log.info(
            "waiting for %d requests, streams or tasks, %d connections; %.1f s left",
            len(items),
            self._engine.open_connections(),
            max(0.0, deadline - time.monotonic()),
            extra={"inflight": [item_facts(item) for item in items[:20]]},
        )

    async def _cancel(self) -> None:
        items = self._in_flight.by_age()
        self.cut = len(items)
        self.stuck = report_cut(items, self._counters)
        for item in items:
            if item.task is not None:
                item.task.cancel()
        await _first_of([self._in_flight.wait_empty()], UNWIND_SECONDS)


async def finish_app(
    lifespan: Lifespan, hooks: list[Hook], end_at: float, counters: Counters
) -> None:
    """Run lifespan shutdown and the hooks, last registered first, all before `end_at`."""
    # Lifespan shutdown goes first: it is the app's own, and hooks may release what it used.
    waiting = list(hooks)
    await _bounded("lifespan shutdown", lifespan.shutdown, _share(end_at, waiting))
    lifespan.cancel()
    while waiting:
        hook = waiting.pop()
        share = min(hook.timeout, _share(end_at, waiting))
        begin = time.monotonic()
        await _bounded(f"hook {hook.name!r}", hook.function, share)
        counters.hook_ended(hook.name, time.monotonic() - begin)


def _share(end_at: float, waiting: list[Hook]) -> float:
    """Return the seconds for the next one: what is left, less what those after it may need.

    They keep at most half, so that one that hangs cannot take the time of all.
    """
    rest = end_at - time.monotonic()
    return rest - min(rest / 2, sum(hook.timeout for hook in waiting))


async def _bounded(name: str, function: Callable[[], Any], seconds: float) -> None:
    if seconds <= 0:
        _log.error("%s skipped: no time is left of the grace period", name)
        return
    begin = time.monotonic()
    try:
        await call_bounded(function, seconds)
    except TimeoutError:
        _log.error("%s did not end within %.1f s and was cut", name, seconds)
    except Exception:  # noqa: BLE001 - one failing hook must not skip the rest
        _log.exception("%s failed", name)
    else:
        _log.debug("%s took %.3f s", name, time.monotonic() - begin)


async def _first_of(waiters: list[Coroutine[Any, Any, Any]], seconds: float) -> None:
    tasks = [asyncio.ensure_future(waiter) for waiter in waiters]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
