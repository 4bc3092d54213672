"""The loop of every controller: take a key, make the world match, say when to look again.

After controller-runtime's Reconciler, level-based: a reconcile function gets a key and nothing
about what happened, reads everything it needs, and may be called any number of times. It
returns when it wants to be called again; an error has it called again after a back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from podready.cluster.reconcile.workqueue import QueueShutDown, WorkQueue
from podready.kube.status import ApiError, Conflict

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

STOP_SECONDS = 5.0
"""How long a reconcile under way may take to end by itself when its controller stops."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconcile function answers: look again after so many seconds, or None for not."""

    requeue_after: float | None = None


DONE = Result()

Reconcile = Callable[[K], Awaitable[Result]]
Source = Callable[[WorkQueue[K]], None]
"""Feeds keys into the queue from the moment it is called; a queue shut down takes none."""


class Controller(Generic[K]):
    """Workers that take keys from a queue and reconcile them."""

    def __init__(
        self,
        name: str,
        reconcile: Reconcile[K],
        queue: WorkQueue[K],
        *,
        sources: Sequence[Source[K]] = (),
        synced: Callable[[], Awaitable[None]] | None = None,
        workers: int = 1,
    ) -> None:
        self.name = name
        self._reconcile = reconcile
        self._queue = queue
        self._sources = tuple(sources)
        self._synced = synced
        self._workers = workers
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Wait until the caches are full, then begin to listen and to work.

        On half a cache a controller would create what is there already.
        """
        if self._synced is not None:
            await self._synced()
        for source in self._sources:
            source(self._queue)
        names = (f"{self.name}-{number}" for number in range(self._workers))
        self._tasks = [asyncio.create_task(self._work(), name=name) for name in names]

    async def stop(self) -> None:
        """Take no more keys, let the reconciles under way end, and return when all have."""
        self._queue.shut_down()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for task in late:
            log.warning("%s: a reconcile did not end in %g s", task.get_name(), STOP_SECONDS)
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._tasks = []

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.get()
            except QueueShutDown:
                return
            try:
                await self._reconcile_one(key)
            finally:
                self._queue.done(key)

    async def _reconcile_one(self, key: K) -> None:
        """Reconcile one key; whatever goes wrong with it must not end the worker."""
        try:
            result = await self._reconcile(key)
        except Conflict as conflict:
            # Ordinary: the cache was older than the store. The next event or try sees the newer.
            log.debug("%s %s: %s", self.name, key, conflict)
            self._queue.add_rate_limited(key)
        except ApiError as error:
            log.info("%s %s: %s", self.name, key, error)
            self._queue.add_rate_limited(key)
        except Exception:
            log.exception("%s %s: reconcile failed", self.name, key)
            self._queue.add_rate_limited(key)
        else:
            self._queue.forget(key)
            if result.requeue_after is not None:
                self._queue.add_after(key, result.requeue_after)
