"""The phase the runtime is in, and since when: the one owner of that truth.

starting -> ready -> draining -> closing -> stopped, never back. Whether a ready pod is *serving*
at this moment (its listener answers, its checks pass) is not a phase: see `answers`.
"""

from __future__ import annotations

from podready.contract import Phase

_ORDER = list(Phase)


class Lifecycle:
    """Holds the phase; times are CLOCK_MONOTONIC seconds handed in by the caller."""

    def __init__(self, now: float) -> None:
        self.phase = Phase.STARTING
        self.started_at = now
        self._since = {Phase.STARTING: now}

    def advance(self, phase: Phase, now: float) -> bool:
        """Go on to `phase`; False when it is behind us already."""
        if _ORDER.index(phase) <= _ORDER.index(self.phase):
            return False
        self.phase = phase
        self._since[phase] = now
        return True

    def since(self, phase: Phase) -> float | None:
        """Return when `phase` began, or None when it was never entered."""
        return self._since.get(phase)

    @property
    def stopping(self) -> bool:
        """Whether the stop has begun."""
        return self.phase in {Phase.DRAINING, Phase.CLOSING, Phase.STOPPED}
