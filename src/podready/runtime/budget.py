"""One grace period divided into drain, in-flight time, hooks and margin.

Every phase of the stop takes its time from this one sum, so that the last of them ends before
the kubelet's SIGKILL. Pure arithmetic: seconds in, seconds out.
"""

from __future__ import annotations

from dataclasses import dataclass

from podready.errors import SettingsError

_SHORTEST_INFLIGHT = 1.0
"""Below one second in-flight requests have no chance, so the sum is refused."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How the grace period is spent; all in seconds, and their sum is `grace`."""

    grace: float
    drain: float
    inflight: float
    hooks: float
    margin: float

    @property
    def cancels_at(self) -> float:
        """Seconds after the signal at which work still in flight is cut."""
        return self.drain + self.inflight

    @property
    def ends_at(self) -> float:
        """Seconds after the signal at which the last hook is cut; the margin follows."""
        return self.grace - self.margin


def margin_of(grace: float) -> float:
    """Return the part of `grace` that is kept for the exit itself: a tenth, from 1 s to 5 s."""
    return min(max(grace * 0.1, 1.0), 5.0)


def divide(grace: float, drain: float, hooks: float) -> Budget:
    """Return the budget of a pod with `grace` seconds (terminationGracePeriodSeconds).

    `drain` is the time the app goes on accepting after SIGTERM, `hooks` the time of lifespan
    shutdown and shutdown hooks together; in-flight requests get what is left.

    Raises SettingsError, with the sum printed, when less than a second is left for them.
    """
    margin = margin_of(grace)
    inflight = grace - drain - hooks - margin
    if inflight < _SHORTEST_INFLIGHT:
        raise SettingsError(
            f"the grace period does not fit: drain {drain:g}s + hooks {hooks:g}s + margin "
            f"{margin:g}s + at least {_SHORTEST_INFLIGHT:g}s for requests in flight = "
            f"{drain + hooks + margin + _SHORTEST_INFLIGHT:g}s, but the grace period is "
            f"{grace:g}s; raise terminationGracePeriodSeconds and PODREADY_GRACE_PERIOD together, "
            f"or lower PODREADY_DRAIN_DELAY or PODREADY_HOOK_TIME"
        )
    return Budget(grace, drain, inflight, hooks, margin)
