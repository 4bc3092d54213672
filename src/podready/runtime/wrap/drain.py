"""The drain of a process that another server owns: its SIGTERM waits until nothing is lost by it.

+ drain delay   streams are ended; what was in flight at this moment may end
then            the last spans are sent, and the server's own handler gets the signal
at the deadline what is still in flight is named in the log and cancelled
"""

from __future__ import annotations

import asyncio
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.requests.ending import (
    UNWIND_SECONDS,
    end_stream,
    report_cut,
    stream_schedule,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.loop.loop import Loop
    from podready.runtime.process import Runtime
    from podready.runtime.requests.inflight import InFlight, InFlightItem
    from podready.runtime.run_config import RunConfig
    from podready.runtime.tracing.spans import Tracing

_POLL: Final = 0.05

_log = logging.getLogger("podready.wrap")


class ProcessDrain:
    """Runs on the thread that answers the probes, from SIGTERM to `release_signal`."""

    def __init__(
        self, loop: Loop, config: RunConfig, runtime: Runtime, closing: Callable[[], None]
    ) -> None:
        self.tracing: Tracing | None = None
        self._loop = loop
        self._budget = config.budget()
        self._stream_window = config.stream_window
        self._counters = runtime.counters
        self._in_flight = runtime.in_flight
        self._closing = closing  # called at the end of the drain delay
        self._release_signal: Callable[[], object] = lambda: None

    def begin(self, release_signal: Callable[[], object]) -> None:
        """Begin the drain; `release_signal` passes the signal on to the server."""
        self._release_signal = release_signal
        _log.info("SIGTERM: draining, still accepting for %gs", self._budget.drain)
        self._loop.call_later(self._budget.drain, self._close)
        self._loop.call_later(self._budget.cancels_at, self._cut)

    def _close(self) -> None:
        """End the streams, and let what is in flight now end before the server stops."""
        self._closing()
        items = set(self._in_flight.items)
        for seconds, item in stream_schedule(items, self._stream_window):
            self._loop.call_later(seconds, partial(_end, item, self._in_flight))
        self._wait_for(items)

    def _wait_for(self, items: set[InFlightItem]) -> None:
        left = items & set(self._in_flight.items)
        if left:
            self._loop.call_later(_POLL, lambda: self._wait_for(left))
        else:
            self._release()

    def _release(self) -> None:
        """Pass the signal on to the server, once; a second one would disturb its own stop."""
        release_signal, self._release_signal = self._release_signal, lambda: None
        tracing, self.tracing = self.tracing, None
        if tracing is None:
            release_signal()
            return

        def flush_and_release() -> None:
            tracing.flush()
            release_signal()

        threading.Thread(target=flush_and_release, name="podready spans", daemon=True).start()

    def _cut(self) -> None:
        items = self._in_flight.by_age()
        report_cut(items, self._counters, _log)
        for item in items:
            _cancel(item, self._in_flight)
        self._loop.call_later(UNWIND_SECONDS, self._release)


def _end(item: InFlightItem, in_flight: InFlight) -> None:
    """End one stream on its own loop, and its task too if it does not notice."""
    if item.task is None or item.end is None:
        return
    loop = item.task.get_loop()

    async def end_and_unwind() -> None:
        await end_stream(item)
        if item.ended:
            _cancel(item, in_flight)

    if not loop.is_closed():
        asyncio.run_coroutine_threadsafe(end_and_unwind(), loop)


def _cancel(item: InFlightItem, in_flight: InFlight) -> None:
    task: asyncio.Task[Any] | None = item.task
    if task is not None and item in in_flight.items and not task.get_loop().is_closed():
        task.get_loop().call_soon_threadsafe(task.cancel)
