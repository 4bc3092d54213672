"""What a rehearsal found: all that a report shows, and nothing else feeds a report.

Frozen values, written to report.json (`schema` podready.rehearsal/v1) and read back, so that a
saved result can be drawn again. Times inside a scenario are seconds from its own start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA = "podready.rehearsal/v1"


class Verdict(StrEnum):
    """The verdict."""

    READY = "ready"
    NOT_READY = "not-ready"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why requests were lost: one row of the diagnosis, with its evidence and its fix."""

    code: str
    count: int
    title: str
    fix: str
    evidence: str = ""
    patch: str = ""  # a diff or a snippet to apply; "" when there is none
    docs: str = ""


@dataclass(frozen=True, slots=True)
class StateSpan:
    """An interval of one lane of the timeline."""

    state: str  # pending, starting, ready, draining, routed, listening
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on one lane: deleted, SIGTERM, listener closed, SIGKILL, exited, …"""

    at: float
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """One pod's life in the scenario."""

    pod: str
    revision: str
    spans: tuple[StateSpan, ...] = ()
    marks: tuple[Mark, ...] = ()
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """One dropped request."""

    at: float  # when it was lost
    intended: float
    kind: str
    method: str
    connection: str
    outcome: str
    status: int
    pod: str
    node: int
    reused: bool
    error: str
    cause: str  # Cause.code


@dataclass(frozen=True, slots=True)
class Bin:
    """A slice of the scenario for the graphs."""

    at: float
    sent: int
    dropped: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One scenario: what was sent, what was lost, why, and what the pods did meanwhile."""

    name: str
    title: str
    sent: int
    dropped: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    seconds: float
    rollouts: int
    causes: tuple[Cause, ...] = ()
    failure: str = ""  # why the scenario itself failed (a rollout that did not finish, …)
    inconclusive: str = ""  # why nothing is proved (the generator lagged, …)
    lanes: tuple[Lane, ...] = ()
    losses: tuple[Loss, ...] = ()
    bins: tuple[Bin, ...] = ()
    generator: dict[str, float] = field(default_factory=dict)  # lag_p99_ms, cpu_percent, …
    findings: tuple[Cause, ...] = ()  # wrong even where it cost no request; count is pods
    p999_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class RehearsalResult:
    """Everything of one rehearsal."""

    verdict: Verdict
    sent: int
    dropped: int
    gap_ms_95: float
    scenarios: tuple[ScenarioResult, ...]
    project: str
    settings: dict[str, str | int | float]  # rps, endpoint lag, rounds, seed, sandbox
    facts: dict[str, str | int | float]  # versions, machine, overhead, start times
    limits: tuple[str, ...] = ()  # what this way of running pods cannot show
    findings: tuple[Cause, ...] = ()  # of the manifests, seen before anything ran
    schema: str = SCHEMA
