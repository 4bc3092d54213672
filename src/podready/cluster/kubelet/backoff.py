"""When a container that ended may start again.

The first restart is immediate; then the delay is 10 s and doubles up to `longest`, counted from
the container's end, and starts again once a container ran for twice the longest delay
(kubernetes.io, "Container restarts"; 10 s and 300 s are the kubelet's constants).
"""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 10.0
LONGEST_SECONDS: Final = 300.0


class CrashLoopBackoff:
    """The crash-loop delay of one container, or the retry delay of one image or mount."""

    def __init__(self, longest: float = LONGEST_SECONDS, first: float = FIRST_SECONDS) -> None:
        self._longest = longest
        self._first = min(first, longest)
        self._next = 0.0

    def after(self, ran: float) -> float:
        """Return the seconds to wait after a container that ran for `ran` seconds has ended."""
        if ran >= 2 * self._longest:
            self._next = 0.0
        delay = self._next
        self._next = min(max(self._next * 2, self._first), self._longest)
        return delay


def seconds_text(seconds: float) -> str:
    """Return a delay as Go prints it: `10s`, `2m40s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
