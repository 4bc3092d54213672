"""Whether a silent worker was starved by its CPU limit rather than stuck (R17).

The kernel counts in the cgroup's cpu.stat how long the container was held back. A worker that is
silent because of that must not be restarted: the restart would need even more CPU.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

_CPU_STATS: Final = (
    (Path("/sys/fs/cgroup/cpu.stat"), "throttled_usec", 1e-6),  # cgroup v2
    (Path("/sys/fs/cgroup/cpu/cpu.stat"), "throttled_time", 1e-9),  # cgroup v1
)
_KEPT = 120.0
"""Seconds of samples; longer than any stall timeout that makes sense."""


def throttled_seconds() -> float | None:
    """Return how long this container was throttled in all its life, None where nobody counts."""
    for path, word, unit in _CPU_STATS:
        try:
            text = path.read_text()
        except OSError:
            continue
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name == word:
                return int(value) * unit
    return None


class Throttling:
    """Samples of the kernel's counter over the last two minutes."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()

    def sample(self, now: float, total: float | None) -> None:
        """Note that `total` seconds of throttling had been counted at `now`."""
        if total is None:
            return
        self._samples.append((now, total))
        while self._samples[0][0] < now - _KEPT:
            self._samples.popleft()

    def within(self, since: float, now: float) -> float:
        """Return the seconds of throttling counted from `since` to `now`."""
        inside = [total for when, total in self._samples if since <= when <= now]
        return inside[-1] - inside[0] if inside else 0.0

    def explains(self, since: float, now: float) -> bool:
        """Return whether at least half of the time from `since` to `now` was throttled."""
        return now > since and self.within(since, now) >= (now - since) / 2
