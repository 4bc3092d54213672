"""A queue of keys to reconcile: each at most once in it, and never with two workers at a time.

After client-go's util/workqueue. What happened to an object is not in the queue, only that
something did: the worker that takes the key reads everything again (level-based). The event loop's
own clock is the queue's clock, so a test on a loop with virtual time waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

K = TypeVar("K", bound="Hashable")


class QueueShutDown(Exception):  # noqa: N818 - not an error: the queue's last word to its workers
    """The queue gives no more keys."""


@dataclass(frozen=True, slots=True)
class RetryBackoff:
    """How long a key waits after its n-th failure in a row: `base * 2**n` seconds, at most `cap`.

    The defaults are client-go's DefaultControllerRateLimiter: 5 ms doubling up to 1000 s.
    """

    base: float = 0.005
    cap: float = 1000.0

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after `failures` earlier ones; 60 doublings pass any cap."""
        return min(self.base * 2.0 ** min(failures, 60), self.cap)


class WorkQueue(Generic[K]):
    """First in, first out; a key added again while it waits is one key, and while it is
    worked on it comes again afterwards."""

    def __init__(self, backoff: RetryBackoff = RetryBackoff()) -> None:
        self._backoff = backoff
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._later: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()
        self._shut_down = False

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Queue the key, unless it waits already."""
        if self._shut_down or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._ready.append(key)
            self._changed.set()

    def add_after(self, key: K, delay: float) -> None:
        """Queue the key in `delay` seconds; of two such wishes the earlier one counts."""
        if self._shut_down:
            return
        if delay <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        waiting = self._later.get(key)
        if waiting is not None:
            if waiting.when() <= loop.time() + delay:
                return
            waiting.cancel()
        self._later[key] = loop.call_later(delay, self._due, key)

    def _due(self, key: K) -> None:
        del self._later[key]
        self.add(key)

    def add_rate_limited(self, key: K) -> None:
        """Queue the key after its back-off, which doubles until `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, self._backoff.delay(failures))

    def forget(self, key: K) -> None:
        """Let the key's next failure be its first."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for a key and take it; `done` has to follow. Raises QueueShutDown at the end."""
        while not self._shut_down:
            if self._ready:
                key = self._ready.popleft()
                self._dirty.discard(key)
                self._processing.add(key)
                return key
            self._changed.clear()
            await self._changed.wait()
        raise QueueShutDown

    def done(self, key: K) -> None:
        """Say that the work on a key ended; it is queued again if it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty and not self._shut_down:
            self._ready.append(key)
            self._changed.set()

    def shut_down(self) -> None:
        """Drop everything that waits and end the workers."""
        self._shut_down = True
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        self._ready.clear()
        self._dirty.clear()
        self._changed.set()
