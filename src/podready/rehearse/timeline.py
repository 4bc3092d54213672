"""Pod histories -> the lanes of a scenario's timeline. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from podready.rehearse.history import Interval, PodHistory
from podready.rehearse.result import Lane, Mark, StateSpan


@dataclass(frozen=True, slots=True)
class Window:
    """The interval of CLOCK_MONOTONIC seconds that a scenario shows."""

    start: float
    end: float

    def clip(self, start: float, end: float) -> tuple[float, float] | None:
        """Return the part inside, in seconds from the window's start; None when there is none."""
        low, high = max(start, self.start), min(end, self.end)
        return (low - self.start, high - self.start) if low < high else None

    def holds(self, t: float | None) -> bool:
        """Return whether the moment is inside."""
        return t is not None and self.start <= t <= self.end


def lanes(histories: Iterable[PodHistory], window: Window) -> tuple[Lane, ...]:
    """Return one lane for each pod that lived in the window, in the order in which they began."""
    alive = [h for h in histories if _overlaps(h, window)]
    alive.sort(key=lambda h: (h.created or 0.0, h.pod))
    return tuple(lane(history, window) for history in alive)


def lane(history: PodHistory, window: Window) -> Lane:
    """Return one pod's lane: its states, the routed and listening bands, and its moments."""
    end = history.last_end
    return Lane(
        pod=history.pod,
        revision=history.revision,
        spans=tuple(_spans(history, window)),
        marks=tuple(sorted(_marks(history, window), key=lambda mark: mark.at)),
        exit_code=end.code if end and window.holds(end.t) else None,
    )


def _overlaps(history: PodHistory, window: Window) -> bool:
    end = _end_of(history)
    return (history.created or 0.0) <= window.end and end > window.start


def _end_of(history: PodHistory) -> float:
    """Return when the pod's last container ended for good, or its object went."""
    if history.deleted is not None and history.last_end is not None:
        return history.last_end.t
    return history.gone if history.gone is not None else math.inf


def _spans(history: PodHistory, window: Window) -> Iterable[StateSpan]:
    for state, interval in _intervals(history):
        inside = window.clip(interval.start, interval.end)
        if inside is not None:
            yield StateSpan(state, *inside)


def _intervals(history: PodHistory) -> Iterable[tuple[str, Interval]]:
    end = _end_of(history)
    stop = min(history.terminating_from, end)
    started = history.started if history.started is not None else stop
    first_ready = history.first_ready()
    if history.created is not None:
        yield "pending", Interval(history.created, min(started, stop))
    yield "starting", Interval(started, min(first_ready or stop, stop))
    cursor = first_ready
    for interval in history.ready:
        if cursor is not None and interval.start > cursor:
            yield "unready", Interval(cursor, min(interval.start, stop))
        yield "ready", Interval(interval.start, min(interval.end, stop))
        cursor = interval.end
    if cursor is not None and cursor < stop:
        yield "unready", Interval(cursor, stop)
    yield "draining", Interval(stop, end)
    for interval in history.listening:  # the journal does not outlive the pod's network
        yield "listening", Interval(interval.start, min(interval.end, end))
    for interval in _union(history.routed):
        yield "routed", interval


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the intervals in which at least one node still routed to the pod."""
    merged: list[Interval] = []
    for interval in sorted(intervals, key=lambda s: s.start):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(Interval(interval.start, interval.end))
    return merged


def _marks(history: PodHistory, window: Window) -> Iterable[Mark]:
    for t, label, detail in _moments(history):
        if window.holds(t):
            yield Mark(t - window.start, label, detail)


def _moments(history: PodHistory) -> Iterable[tuple[float, str, str]]:
    if history.deleted is not None:
        yield history.deleted, "deleted", f"grace period {history.grace:g} s"
    for t, state in history.prestop:
        yield t, f"preStop {state}", ""
    if history.sigterm is not None:
        note = "" if history.handled else "PID 1 has no handler: ignored"
        yield history.sigterm, "SIGTERM", note
    for interval in history.listening:
        if interval.end >= history.terminating_from and not math.isinf(interval.end):
            yield interval.end, "listener closed", ""
    if history.sigkill is not None:
        yield history.sigkill, "SIGKILL", "still running at the end of the grace period"
    for end in history.ends:
        detail = "out of memory" if end.oom else f"signal {end.signal}" if end.signal else ""
        yield end.t, f"exited {end.code}", detail
    routed_until = history.routed_until(-1)
    if routed_until is not None and not math.isinf(routed_until):
        yield routed_until, "unrouted", "the last proxy stopped sending new connections here"
    for t, probe, message in history.failed_probes:
        yield t, f"{probe} probe failed", message
