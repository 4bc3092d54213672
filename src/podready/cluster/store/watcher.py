"""One watch on the store: a bounded queue of changes that reports when it lost some."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podready.kube.status import Gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podready.kube.meta import Object

DEFAULT_LIMIT = 8192
"""Changes a watcher may lag behind before it has to list again."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write: ADDED, MODIFIED or DELETED, the object after it and the one before."""

    type: str
    object: Object
    previous: Object | None
    revision: int


class Watcher:
    """Changes in order; `next` waits for one, and raises Gone once some were lost."""

    def __init__(
        self,
        backlog: Iterable[Change] = (),
        *,
        limit: int = DEFAULT_LIMIT,
        on_close: Callable[[Watcher], None] = lambda _: None,
    ) -> None:
        self._queue = deque(backlog)
        self._limit = limit
        self._on_close = on_close
        self._woken = asyncio.Event()
        self._lost = False
        self.closed = False

    def offer(self, change: Change) -> None:
        """Add a change; a watcher that is too far behind gets no more and will raise Gone."""
        if len(self._queue) >= self._limit:
            self._lost = True
            self.close()
            return
        self._queue.append(change)
        self._woken.set()

    async def next(self) -> Change | None:
        """Return the next change; None after `close`. Cancelling it loses nothing."""
        while not self._queue:
            if self._lost:
                raise Gone("too old resource version: the watch fell behind; list again")
            if self.closed:
                return None
            self._woken.clear()
            await self._woken.wait()
        return self._queue.popleft()

    def close(self) -> None:
        """Take no more changes; what is queued can still be read."""
        if not self.closed:
            self.closed = True
            self._on_close(self)
            self._woken.set()
