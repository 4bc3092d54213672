"""The diagnosis table: what a lost request looks like, and what that means.

One row a cause, the first that matches wins. A row looks at one lost request beside the history of
the pod that lost it; the texts for people are in `advice`. The table is that of
docs/explanation/how-a-pod-dies.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from podready.rehearse.history import PodHistory
from podready.rehearse.load.plan import Outcome, Sample

SLACK: Final = 0.05
"""Seconds by which two processes' stamps of one moment may differ on a busy machine."""

QUICK: Final = 0.15
"""Seconds within which a connection that the server had already closed fails."""

FRESH: Final = 5.0
"""Seconds after a pod's first Ready in which its failures count as "not ready when Ready"."""

_CUT: Final = (Outcome.RESET, Outcome.EOF)


@dataclass(frozen=True, slots=True)
class LostRequest:
    """One lost request and all that is known about it; `usual` is its kind's median (seconds)."""

    sample: Sample
    history: PodHistory | None
    usual: float = 0.0

    @property
    def at(self) -> float:
        """Return when it was lost."""
        return self.sample.done or self.sample.sent or self.sample.intended

    @property
    def lasted(self) -> float:
        """Return the seconds from sending to loss."""
        return max(0.0, self.at - (self.sample.sent or self.sample.intended))

    @property
    def terminating(self) -> bool:
        """Return whether its pod had begun to end."""
        return self.history is not None and self.at >= self.history.terminating_from - SLACK

    @property
    def unanswered(self) -> bool:
        """Return whether not one byte of an answer came."""
        return self.sample.first_byte == 0.0 and self.sample.bytes == 0

    @property
    def cut(self) -> bool:
        """Return whether the connection broke after it was open."""
        return self.sample.outcome in _CUT


@dataclass(frozen=True, slots=True)
class Row:
    """One cause: its stable code, its name for people, and its signature."""

    code: str
    title: str
    matches: Callable[[LostRequest], bool]


def _no_endpoints(lost: LostRequest) -> bool:
    return lost.sample.outcome is Outcome.REFUSED and lost.sample.pod == ""


def _killed_at_grace(lost: LostRequest) -> bool:
    history = lost.history
    if history is None or not history.was_killed_at_grace:
        return False
    end = history.last_end
    killed = history.sigkill if history.sigkill is not None else end.t if end else None
    return killed is not None and lost.at >= killed - SLACK


def _killed_in_flight(lost: LostRequest) -> bool:
    history = lost.history
    if history is None:
        return False
    unasked = [end for end in history.ends if end.t < history.terminating_from]
    return any(end.t - SLACK <= lost.at <= end.t + FRESH for end in unasked)


def _listener_closed_early(lost: LostRequest) -> bool:
    if not lost.terminating or lost.sample.reused:
        return False
    if lost.sample.outcome is Outcome.REFUSED:
        return True
    return lost.cut and lost.unanswered and lost.lasted <= QUICK


def _accepted_not_served(lost: LostRequest) -> bool:
    history, sample = lost.history, lost.sample
    if history is None or sample.reused or not lost.unanswered:
        return False
    after = (sample.sent or sample.intended) >= history.terminating_from
    waited_too_long = lost.lasted > 2 * lost.usual + 0.5
    return after and waited_too_long and (lost.cut or sample.outcome is Outcome.TIMEOUT)


def _keep_alive_race(lost: LostRequest) -> bool:
    quick = lost.cut and lost.unanswered and lost.lasted <= QUICK
    return lost.terminating and lost.sample.reused and quick


def _cut_by_graceful_timeout(lost: LostRequest) -> bool:
    broken = lost.cut or lost.sample.outcome in (Outcome.TIMEOUT, Outcome.INVALID)
    return lost.terminating and (broken or lost.sample.status >= 500)


def _keep_alive_shorter(lost: LostRequest) -> bool:
    return lost.sample.reused and lost.cut and lost.unanswered and lost.lasted <= QUICK


def _not_ready_when_ready(lost: LostRequest) -> bool:
    if lost.history is None or lost.terminating:
        return False
    ready = lost.history.first_ready()
    failed = lost.sample.outcome is not Outcome.STATUS or lost.sample.status >= 500
    return failed and ready is not None and -SLACK <= lost.at - ready <= FRESH


def _unexpected_status(lost: LostRequest) -> bool:
    return lost.sample.outcome is Outcome.STATUS


def _too_slow(lost: LostRequest) -> bool:
    return lost.sample.outcome is Outcome.TIMEOUT


def _anything(_lost: LostRequest) -> bool:
    return True


ROWS: Final[tuple[Row, ...]] = (
    Row("no-endpoints", "No ready pod was left to route to", _no_endpoints),
    Row("killed-at-grace", "The pod was killed at the end of its grace period", _killed_at_grace),
    Row("killed-in-flight", "The pod died without being asked to", _killed_in_flight),
    Row(
        "listener-closed-early",
        "The listener closed while proxies still routed to the pod",
        _listener_closed_early,
    ),
    Row(
        "accepted-not-served",
        "The terminating pod accepted connections that no worker served",
        _accepted_not_served,
    ),
    Row(
        "keep-alive-race",
        "An idle keep-alive connection was closed just as it was used again",
        _keep_alive_race,
    ),
    Row(
        "cut-by-graceful-timeout",
        "A request under way was cut before it could finish",
        _cut_by_graceful_timeout,
    ),
    Row(
        "keep-alive-shorter-than-proxy",
        "The server closes idle connections sooner than its clients do",
        _keep_alive_shorter,
    ),
    Row(
        "not-ready-when-ready",
        "A new pod was Ready before it could serve",
        _not_ready_when_ready,
    ),
    Row(
        "unexpected-status",
        "The app answered with a status that was not expected",
        _unexpected_status,
    ),
    Row("too-slow", "No answer came within the request's timeout", _too_slow),
    Row("unknown", "Lost for a reason that the facts do not show", _anything),
)

TITLES: Final = {row.code: row.title for row in ROWS}


def cause_of(lost: LostRequest) -> str:
    """Return the code of the first row that matches."""
    return next(row.code for row in ROWS if row.matches(lost))
