"""Lines that wait for a stalled reader: bounded in bytes, least severe dropped first.

There is a queue for each level, so nothing here ever looks at more than the lines it takes out:
once the backlog is full, every line that is logged comes by here, and most are dropped.
"""

from __future__ import annotations

from collections import deque


class Backlog:
    """Whole lines in order of arrival, never more than `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._late: deque[tuple[int, bytes]] = deque()  # of signal handlers, not sorted in yet
        self._busy = False
        self._queues: dict[int, deque[tuple[int, bytes]]] = {}  # by level: its place and the line
        self._sizes: dict[int, int] = {}  # bytes of each level
        self._arrived = 0
        self.count = 0
        self.size = 0
        self.dropped = 0

    def __len__(self) -> int:
        return self.count

    @property
    def busy(self) -> bool:
        """Whether a call is under way: a signal handler may add, and nothing else."""
        return self._busy

    def has_room(self, size: int) -> bool:
        """Say whether `size` more bytes fit."""
        return self.size + size <= self._limit

    def add(self, line: bytes, level: int) -> None:
        """Queue a line; over the limit, less severe lines go first, then this one."""
        self._late.append((level, line))
        self.count += 1
        if not self._busy:
            self._busy = True
            try:
                self._sort_in()
            finally:
                self._busy = False

    def pop(self) -> bytes:
        """Take the oldest line out; IndexError when there is none."""
        return self.take(0)

    def take(self, size: int) -> bytes:
        """Take the oldest lines out, as many as make up `size` bytes, but one at least."""
        self._busy = True
        try:
            self._sort_in()
            taken: list[bytes] = []
            while self._queues:
                level = self._oldest()
                if taken and len(self._queues[level][0][1]) > size:
                    break
                taken.append(self._take(level))
                size -= len(taken[-1])
        finally:
            self._busy = False
        if not taken:
            self.count = len(self._late)  # an exception of a signal handler took a line along
            raise IndexError("no line waits")
        return b"".join(taken)

    def _sort_in(self) -> None:
        while self._late:
            level, line = self._late.popleft()
            size = len(line)
            if self.size + size > self._limit and not self._make_room(size, level):
                self.dropped += 1
                self.count -= 1
                continue
            self._sizes[level] = self._sizes.get(level, 0) + size
            self.size += size
            self._arrived += 1
            if level in self._queues:
                self._queues[level].append((self._arrived, line))
            else:
                self._queues[level] = deque([(self._arrived, line)])

    def _oldest(self) -> int:
        """Return the level of the oldest line."""
        if len(self._queues) == 1:
            return next(iter(self._queues))
        return min(self._queues, key=lambda level: self._queues[level][0][0])

    def _take(self, level: int) -> bytes:
        """Take the oldest line of a level out."""
        queue = self._queues[level]
        line = queue[0][1]
        self._sizes[level] -= len(line)
        self.size -= len(line)
        self.count -= 1
        if len(queue) > 1:
            queue.popleft()
        else:
            del self._queues[level]
        return line

    def _make_room(self, wanted: int, level: int) -> bool:
        """Drop less severe lines, lowest level first, oldest first, if they are enough."""
        lower = sum(size for found, size in self._sizes.items() if found < level)
        if self.size - lower + wanted > self._limit:
            return False
        while self._queues and not self.has_room(wanted):
            self._take(min(self._queues))
            self.dropped += 1
        return True
