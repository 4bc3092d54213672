"""Ending what is in flight: streams spread over a while, everything else at the deadline.

The drain of a worker and that of a wrapped app differ in who waits and for what; these are the
steps that they have in common.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Final

from podready.runtime.requests.inflight import ItemKind
from podready.runtime.requests.stack_location import item_facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.runtime.metrics.counters import Counters
    from podready.runtime.requests.inflight import InFlightItem

UNWIND_SECONDS: Final = 1.0
"""Seconds that a task has to end after its stream was ended, or after it was cancelled."""

_STREAMS_PER_SECOND: Final = 100
"""Streams end no faster than this, so that their clients do not all come back at once."""

_log = logging.getLogger("podready.drain")


def stream_schedule(
    items: Iterable[InFlightItem], window: float
) -> list[tuple[float, InFlightItem]]:
    """Return the streams among `items`, each with the seconds from now at which to end it.

    They are in a random order, spread over `window` seconds at most; a single one ends now.
    """
    streams = [item for item in items if item.end is not None]
    if len(streams) < 2:
        return [(0.0, item) for item in streams]
    random.shuffle(streams)
    step = min(window / len(streams), 1 / _STREAMS_PER_SECOND)
    return [
        (step * (index + random.random()), item)  # noqa: S311 - no secret
        for index, item in enumerate(streams)
    ]


async def end_stream(item: InFlightItem) -> None:
    """End a stream and wait a second for its task to notice; errors of its client are ignored."""
    try:
        if item.end is not None:
            await item.end()
    except Exception as error:  # noqa: BLE001 - one broken client must not keep the others
        _log.debug("a stream could not be ended: %s", error)
    await asyncio.sleep(UNWIND_SECONDS)


def report_cut(
    items: list[InFlightItem], counters: Counters, log: logging.Logger = _log
) -> list[str]:
    """Count, log and mark the items that are about to be cancelled at the deadline.

    Returns a line for each, with its age and the line of code that it waits at.
    """
    counters.items_cancelled(len(items))
    lines = []
    for item in items:
        facts = item_facts(item)
        lines.append(f"{item.title}, {facts['age']:.1f} s, at {facts['at']}")
        log.error(
            "still under way at the deadline, cutting it: %s, %.1f s old, at %s",
            item.title,
            facts["age"],
            facts["at"],
            extra={"stuck": facts},
        )
        item.ended = item.ended or item.kind in {ItemKind.STREAM, ItemKind.WEBSOCKET}
    return lines
