"""Lines that wait for a stalled reader: bounded in bytes, least severe dropped first."""

from __future__ import annotations

from collections import Counter, deque


class Backlog:
    """A queue of whole lines in order of arrival that never holds more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._levels: Counter[int] = Counter()  # how many lines of each wait
        self.lines: deque[tuple[int, bytes]] = deque()
        self.size = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self.lines)

    def has_room(self, size: int) -> bool:
        """Say whether `size` more bytes fit."""
        return self.size + size <= self._limit

    def add(self, line: bytes, level: int) -> None:
        """Queue a line; over the limit, less severe lines go first, then this one."""
        if self.size + len(line) > self._limit and not self._make_room(len(line), level):
            self.dropped += 1
            return
        self.lines.append((level, line))
        self._levels[level] += 1
        self.size += len(line)

    def pop(self) -> bytes:
        """Take the oldest line out; IndexError when there is none."""
        level, line = self.lines.popleft()
        self._levels[level] -= 1
        self.size -= len(line)
        return line

    def take(self, size: int) -> bytes:
        """Take the oldest lines out, as many as make up `size` bytes, but one at least."""
        taken = [self.pop()]
        left = size - len(taken[0])
        while self.lines and len(self.lines[0][1]) <= left:
            taken.append(self.pop())
            left -= len(taken[-1])
        return b"".join(taken)

    def _make_room(self, wanted: int, level: int) -> bool:
        """Drop lines less severe than `level`, lowest first; say whether there is room then.

        A pass over the queue is linear, so each one frees an eighth of the limit at least.
        """
        target = max(wanted, self._limit // 8)
        for lowest in sorted(found for found, count in self._levels.items() if count):
            free = self._limit - self.size
            if lowest >= level or free >= target:
                break
            self._drop(lowest, target - free)
        return self.has_room(wanted)

    def _drop(self, level: int, wanted: int) -> None:
        """Drop the oldest lines of one level until `wanted` bytes are freed."""
        kept: deque[tuple[int, bytes]] = deque()
        for found, line in self.lines:
            if found == level and wanted > 0:
                wanted -= len(line)
                self.size -= len(line)
                self._levels[level] -= 1
                self.dropped += 1
            else:
                kept.append((found, line))
        self.lines = kept
