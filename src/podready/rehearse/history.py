"""What one pod went through, put together from the API's watch and the node's journal.

Times are CLOCK_MONOTONIC seconds. The journal is exact and local; the watch exists on any
cluster. Where both have the same fact the journal wins, because it was written at the moment
itself and not when the news arrived.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

SIGTERM: Final = "SIGTERM"
SIGKILL: Final = "SIGKILL"


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One watch event of a pod, reduced to what a rehearsal asks."""

    t: float
    event: str  # ADDED, MODIFIED, DELETED
    pod: str
    revision: str
    phase: str
    ready: bool
    deleting: bool
    grace: float
    exit_code: int | None
    node: str = ""


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """Whether a pod was a ready endpoint of the Service at that moment."""

    t: float
    pod: str
    routed: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of time; `end` is inf while it lasts."""

    start: float
    end: float
    node: int = -1

    def holds(self, t: float) -> bool:
        """Return whether `t` is inside."""
        return self.start <= t < self.end


@dataclass(frozen=True, slots=True)
class Ended:
    """One end of the pod's container."""

    t: float
    code: int
    signal: int = 0
    oom: bool = False


@dataclass(frozen=True, slots=True)
class PodHistory:
    """One pod's life; None where a moment never came or was not seen."""

    pod: str
    revision: str = ""
    created: float | None = None
    started: float | None = None
    ready: tuple[Interval, ...] = ()
    listening: tuple[Interval, ...] = ()
    routed: tuple[Interval, ...] = ()
    deleted: float | None = None
    grace: float = 30.0
    prestop: tuple[tuple[float, str], ...] = ()
    sigterm: float | None = None
    handled: bool | None = None
    sigkill: float | None = None
    ends: tuple[Ended, ...] = ()
    gone: float | None = None
    failed_probes: tuple[tuple[float, str, str], ...] = ()

    @property
    def terminating_from(self) -> float:
        """Return when the pod began to end: its deletion or its SIGTERM; inf if never."""
        known = [t for t in (self.deleted, self.sigterm) if t is not None]
        return min(known, default=math.inf)

    @property
    def last_end(self) -> Ended | None:
        """Return the container's last end, if it ended."""
        return self.ends[-1] if self.ends else None

    @property
    def was_killed_at_grace(self) -> bool:
        """Return whether the pod was deleted, did not stop by itself and had to be killed."""
        if self.deleted is None:
            return False
        if self.sigkill is not None:
            return True
        end = self.last_end
        late = end is not None and end.t >= self.deleted + self.grace - 1
        return late and end is not None and end.code == 137

    def routed_until(self, node: int) -> float | None:
        """Return when this node (-1: the last of all) stopped routing here; None if never known."""
        ends = [s.end for s in self.routed if node in (-1, s.node)]
        return max(ends, default=None)

    def is_routed(self, t: float, node: int = -1) -> bool:
        """Return whether this node's proxy (-1: any) sent new connections here at `t`."""
        return any(s.holds(t) for s in self.routed if node in (-1, s.node))

    def first_ready(self) -> float | None:
        """Return when the pod was ready for the first time."""
        return min((s.start for s in self.ready), default=None)


def build_histories(
    journal: Iterable[Mapping[str, Any]],
    pods: Iterable[PodSeen],
    endpoints: Iterable[EndpointSeen],
    service: str,
    port: int,
) -> dict[str, PodHistory]:
    """Return the histories of all pods seen, by "namespace/name".

    `service` ("namespace/name") selects the proxies' views, `port` the pod's listener.
    """
    facts: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    seen: dict[str, list[PodSeen]] = defaultdict(list)
    routed: dict[str, list[EndpointSeen]] = defaultdict(list)
    for fact in journal:
        facts[fact["pod"]].append(fact)
    for event in pods:
        seen[event.pod].append(event)
    for endpoint in endpoints:
        routed[endpoint.pod].append(endpoint)
    histories = {}
    for pod, events in seen.items():
        history = _from_watch(pod, events, routed.get(pod, []))
        histories[pod] = _with_journal(history, facts.get(pod, []), service, port)
    return histories


def _from_watch(pod: str, events: list[PodSeen], endpoints: list[EndpointSeen]) -> PodHistory:
    deleting = next((e for e in events if e.deleting), None)
    ended = [e for e in events if e.exit_code is not None]
    last = events[-1]
    return PodHistory(
        pod=pod,
        revision=last.revision,
        created=events[0].t,
        started=next((e.t for e in events if e.phase == "Running"), None),
        ready=intervals([(e.t, e.ready and e.event != "DELETED") for e in events]),
        routed=intervals([(e.t, e.routed) for e in endpoints]),
        deleted=deleting.t if deleting else None,
        grace=deleting.grace if deleting else 30.0,
        ends=tuple(Ended(e.t, e.exit_code or 0) for e in ended[:1]),
        gone=last.t if last.event == "DELETED" else None,
    )


def _with_journal(
    history: PodHistory, facts: list[Mapping[str, Any]], service: str, port: int
) -> PodHistory:
    if not facts:
        return history
    of = defaultdict(list)
    for fact in facts:
        of[fact["kind"]].append(fact)
    views = [f for f in of["view"] if f["service"] == service]
    ports = [f for f in of["listening"] if f["port"] == port]
    deleted = of["deleted"]
    signals = {f["signal"]: f for f in reversed(of["signal"])}
    term, kill = signals.get(SIGTERM), signals.get(SIGKILL)
    return replace(
        history,
        started=of["started"][0]["t"] if of["started"] else history.started,
        ready=intervals([(f["t"], f["value"]) for f in of["ready"]]) or history.ready,
        listening=intervals([(f["t"], f["open"]) for f in ports]),
        routed=_views(views) or history.routed,
        deleted=deleted[0]["t"] if deleted else history.deleted,
        grace=float(deleted[-1]["grace"]) if deleted else history.grace,
        prestop=tuple((f["t"], f["state"]) for f in of["prestop"]),
        sigterm=term["t"] if term else None,
        handled=bool(term["handled"]) if term else None,
        sigkill=kill["t"] if kill else None,
        ends=tuple(_ended(f) for f in of["exited"]) or history.ends,
        failed_probes=tuple((f["t"], f["probe"], f["message"]) for f in of["unready"]),
    )


def _ended(fact: Mapping[str, Any]) -> Ended:
    return Ended(fact["t"], fact["code"], fact.get("signal", 0), bool(fact.get("oom", False)))


def _views(facts: list[Mapping[str, Any]]) -> tuple[Interval, ...]:
    by_node: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for fact in facts:
        by_node[fact["node"]].append((fact["t"], fact["state"] == "routed"))
    return tuple(
        replace(interval, node=node)
        for node, changes in sorted(by_node.items())
        for interval in intervals(changes)
    )


def intervals(changes: list[tuple[float, bool]]) -> tuple[Interval, ...]:
    """Return the intervals in which a yes/no fact was true; the last may be without end."""
    steps: list[tuple[float, bool]] = []
    for t, value in changes:
        if value != (steps[-1][1] if steps else False):
            steps.append((t, value))
    closed = [*steps, (math.inf, False)]
    return tuple(Interval(t, end) for (t, value), (end, _) in pairwise(closed) if value)
