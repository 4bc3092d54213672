"""Lines that wait for a stalled reader: bounded in bytes, least severe dropped first."""

from __future__ import annotations

from collections import deque


class Backlog:
    """A queue of whole lines in order of arrival that never holds more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
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
        if not self.has_room(len(line)):
            self._make_room(len(line), level)
        if not self.has_room(len(line)):
            self.dropped += 1
            return
        self.lines.append((level, line))
        self.size += len(line)

    def pop(self) -> bytes:
        """Take the oldest line out; IndexError when there is none."""
        _, line = self.lines.popleft()
        self.size -= len(line)
        return line

    def _make_room(self, wanted: int, level: int) -> None:
        """Drop lines less severe than `level`, lowest first.

        A pass over the queue is linear, so each one frees an eighth of the limit at least.
        """
        target = max(wanted, self._limit // 8)
        for lowest in sorted({found for found, _ in self.lines if found < level}):
            free = self._limit - self.size
            if free >= target:
                return
            self._drop(lowest, target - free)

    def _drop(self, level: int, wanted: int) -> None:
        """Drop the oldest lines of one level until `wanted` bytes are freed."""
        kept: deque[tuple[int, bytes]] = deque()
        for found, line in self.lines:
            if found == level and wanted > 0:
                wanted -= len(line)
                self.size -= len(line)
                self.dropped += 1
            else:
                kept.append((found, line))
        self.lines = kept
