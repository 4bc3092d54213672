"""The drain of a process that a foreign server owns: its SIGTERM waits until nothing is lost by it.

+ drain delay   streams are ended; what was in flight at this moment may end
then            the last spans are sent, and the server's own handler gets the signal
at the deadline what is still in flight is named in the log and cancelled
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.metrics.counters import METER
from podready.runtime.requests.inflight import IN_FLIGHT, Kind, Work
from podready.runtime.requests.stack_location import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.budget import Budget
    from podready.runtime.loop.loop import Loop
    from podready.runtime.tracing.spans import Tracing

_POLL: Final = 0.05
_UNWIND: Final = 1.0
_STREAMS_PER_SECOND: Final = 100
"""As in `drain`: streams end no faster, so that their clients do not all come back at once."""

_log = logging.getLogger("podready.wrap")


class ProcessDrain:
    """Runs on the thread that answers the probes, from SIGTERM to `hand_over`."""

    def __init__(
        self, loop: Loop, budget: Budget, stream_window: float, closing: Callable[[], None]
    ) -> None:
        self.tracing: Tracing | None = None
        self._loop = loop
        self._budget = budget
        self._stream_window = stream_window
        self._closing = closing  # told at the end of the drain delay
        self._hand_over: Callable[[], object] = lambda: None

    def begin(self, hand_over: Callable[[], object]) -> None:
        """Keep the time from now on; `hand_over` gives the server its signal."""
        self._hand_over = hand_over
        _log.info("SIGTERM: draining, still accepting for %gs", self._budget.drain)
        self._loop.call_later(self._budget.drain, self._close)
        self._loop.call_later(self._budget.cancels_at, self._cut)

    def _close(self) -> None:
        """End the streams, and let what is in flight now end before the server stops."""
        self._closing()
        works = set(IN_FLIGHT.works)
        streams = [work for work in works if work.end is not None]
        window = min(self._stream_window, len(streams) / _STREAMS_PER_SECOND)
        random.shuffle(streams)
        for index, work in enumerate(streams):
            jitter = random.random() if len(streams) > 1 else 0.0  # noqa: S311 - no secret
            self._loop.call_later(window * (index + jitter) / len(streams), partial(_end, work))
        self._wait_for(works)

    def _wait_for(self, works: set[Work]) -> None:
        left = works & set(IN_FLIGHT.works)
        if left:
            self._loop.call_later(_POLL, lambda: self._wait_for(left))
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Give the signal to the server, once; a second one would only disturb its own stop."""
        hand_over, self._hand_over = self._hand_over, lambda: None
        tracing, self.tracing = self.tracing, None
        if tracing is None:
            hand_over()
            return

        def flush_and_go() -> None:
            tracing.flush()
            hand_over()

        threading.Thread(target=flush_and_go, name="podready spans", daemon=True).start()

    def _cut(self) -> None:
        works = sorted(IN_FLIGHT.works, key=lambda work: work.started)
        METER.cut(len(works))
        for work in works:
            facts = describe(work)
            _log.error(
                "still under way at the deadline, cutting it: %s, %.1f s old, at %s",
                work.title,
                facts["age"],
                facts["at"],
            )
            work.ended = work.ended or work.kind in {Kind.STREAM, Kind.WEBSOCKET}
            _cancel(work)
        self._loop.call_later(_UNWIND, self._let_go)


def _end(work: Work) -> None:
    """End one stream on its own loop, and its task too if it does not notice."""
    if work.task is None or work.end is None:
        return
    loop = work.task.get_loop()

    async def end_and_unwind() -> None:
        try:
            if work.end is not None:
                await work.end()
        except Exception as error:  # noqa: BLE001 - a broken client must not keep the others
            _log.debug("a stream could not be ended: %s", error)
        await asyncio.sleep(_UNWIND)
        if work.ended:
            _cancel(work)

    if not loop.is_closed():
        asyncio.run_coroutine_threadsafe(end_and_unwind(), loop)


def _cancel(work: Work) -> None:
    task: asyncio.Task[Any] | None = work.task
    if task is not None and work in IN_FLIGHT.works and not task.get_loop().is_closed():
        task.get_loop().call_soon_threadsafe(task.cancel)
