"""Whether a silent worker was starved by its CPU limit rather than stuck.

The kernel counts in the cgroup's cpu.stat how long the container was held back. A worker that is
silent because of that must not be restarted: the restart would need even more CPU.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_UNITS: Final = {"throttled_usec": 1e-6, "throttled_time": 1e-9}
"""The counter's names in cgroup v2 and v1, and the seconds of one count."""

_KEPT = 120.0
"""Seconds of samples; longer than any stall timeout that makes sense."""


def throttled_seconds() -> float | None:
    """Return how long this container was ever throttled, None where it is not counted."""
    for path in _cpu_stats():
        try:
            text = _read(path)
        except OSError:
            continue
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name in _UNITS:
                return int(value) * _UNITS[name]
    return None


def _cpu_stats() -> list[str]:
    """Return where this process's counter may be, the likeliest first.

    In a container its own cgroup is mounted as the root; outside one (systemd, a test) the path
    of /proc/self/cgroup leads there. Lines of that file are `ID:CONTROLLERS:PATH`.
    """
    roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu"]
    try:
        lines = _read("/proc/self/cgroup").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            roots.insert(0, ("/sys/fs/cgroup/cpu" if controllers else "/sys/fs/cgroup") + path)
    return [root.rstrip("/") + "/cpu.stat" for root in roots]


def _read(path: str) -> str:
    with open(path) as file:  # pathlib costs PID 1 its import
        return file.read()


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
        return self._total_at(now) - self._total_at(since)

    def _total_at(self, moment: float) -> float:
        """Return the counter at `moment`, on a straight line between the samples around it."""
        before, count = 0.0, 0.0
        for when, total in self._samples:
            if when >= moment:
                share = (moment - before) / (when - before) if before and when > before else 1.0
                return count + (total - count) * share
            before, count = when, total
        return count

    def explains(self, since: float, now: float) -> bool:
        """Return whether at least half of the time from `since` to `now` was throttled."""
        return now > since and self.within(since, now) >= (now - since) / 2
