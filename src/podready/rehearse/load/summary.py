"""What the samples say together: counts, percentiles and time bins. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from podready.rehearse.load.plan import Outcome, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LATE_SECONDS = 0.020
"""A request sent later than this after its time counts as late (reference bound for p99)."""

LATE_SHARE_LIMIT = 0.25
"""Share of late requests above which a clean run proves nothing: see `LoadSummary.doubt`."""

STALL_SECONDS = 0.5
"""Longest lag of a request in a run that proves something: a longer one could hide a gap."""

CPU_PERCENT_LIMIT = 85.0
"""Generator CPU above which it is the bottleneck itself."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """One opening of a stream and how it ended; times are CLOCK_MONOTONIC seconds.

    `end` is "clean" (the server ended it in the protocol's own way), "cut" (the connection broke),
    "refused" (it never opened) or "open" (still open when the load stopped).
    """

    path: str
    node: int
    pod: str
    opened: float
    ended: float
    end: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """The load process' own account of a run: what it sent and how punctual it was.

    Lag is from a request's intended time to the moment it set out: taken up by the generator and,
    where it needs a new connection, given a route by the local cluster's dialer. The time that a
    connection needs to open is the server's. Times ending in `_ms` are milliseconds, others
    CLOCK_MONOTONIC seconds.
    """

    planned: int
    outcomes: dict[str, int]
    started: float
    stopped: float
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    late_share: float
    cpu_percent: float
    cpu_us_per_request: float
    connections: int
    peak_connections: int
    loop: str
    streams: tuple[StreamEnd, ...] = field(default=())
    error: str = ""

    @property
    def dropped(self) -> int:
        """Return how many planned requests were not answered as expected."""
        return self.planned - self.outcomes.get(Outcome.OK, 0)

    @property
    def punctual_share(self) -> float:
        """Return the share of requests that tested the moment they were meant for.

        A bound such as "gap < 3 / rate" holds for that share of the rate only.
        """
        return 1.0 - self.late_share

    def doubt(self) -> str:
        """Return in one sentence why a run without losses would prove nothing; "" when it proves.

        A late request is still sent, so lateness never invents a loss, and a loss that was seen
        is real: doubt only ever turns "ready" into "inconclusive". What lateness does is to test a
        later moment than planned. That costs evidence in proportion, so up to a quarter of late
        requests is paid for in the bound (`punctual_share`) instead of with the verdict. Standing
        still for long cannot be paid for: what happened meanwhile was never tested.
        """
        if self.error:
            return self.error
        unsent = self.outcomes.get(Outcome.CAP, 0)
        if unsent:
            return f"{unsent} requests were not sent: all allowed connections were busy"
        unfinished = self.outcomes.get(Outcome.UNFINISHED, 0)
        if unfinished:
            return f"{unfinished} requests were still under way when the load was stopped"
        if self.late_share > LATE_SHARE_LIMIT:
            return (
                f"{self.late_share:.0%} of the requests were sent over {LATE_SECONDS * 1000:.0f} ms"
                f" late (p99 {self.lag_p99_ms:.0f} ms): lower --rps or free the machine"
            )
        if self.lag_max_ms > STALL_SECONDS * 1000:
            return (
                f"a request set out {self.lag_max_ms / 1000:.1f} s late, which could hide a loss: "
                "lower --rps or free the machine"
            )
        if self.cpu_percent > CPU_PERCENT_LIMIT:
            return f"the generator used {self.cpu_percent:.0f} % of a core: lower --rps"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, fact: dict[str, Any]) -> LoadSummary:
        """Return the summary that `to_json` wrote; unknown fields are ignored."""
        names = {f.name for f in fields(cls)}
        known = {name: value for name, value in fact.items() if name in names}
        known["streams"] = tuple(StreamEnd(**end) for end in fact.get("streams", ()))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in milliseconds, counted from the intended time; 0.0 where there is none."""

    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    max_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TimeBin:
    """The requests that were due in one slice of time; `at` is in seconds from its origin."""

    at: float
    sent: int
    dropped: int
    p50_ms: float
    p99_ms: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values in rising order, 0.0 when there is none.

    `share` is between 0 and 1. Nearest rank returns a value that was really seen.
    """
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latency(samples: Iterable[Sample]) -> Latency:
    """Return the percentiles of the requests that were answered as expected."""
    ordered = _latencies(samples)
    shares = (0.5, 0.9, 0.99, 0.999, 1.0)
    return Latency(*(percentile(ordered, share) for share in shares))


def outcomes(samples: Iterable[Sample]) -> dict[str, int]:
    """Return how many samples had each outcome that occurred."""
    return dict(Counter(sample.outcome.value for sample in samples))


def bins(samples: Iterable[Sample], origin: float, width: float) -> list[TimeBin]:
    """Return the slices of `width` seconds from `origin` to the last sample, empty ones too.

    A request belongs to the slice in which it was due, whenever it was answered.
    """
    slices: dict[int, list[Sample]] = {}
    for sample in samples:
        slices.setdefault(int((sample.intended - origin) // width), []).append(sample)
    if not slices:
        return []
    return [
        _bin(number * width, slices.get(number, []))
        for number in range(min(slices), max(slices) + 1)
    ]


def _bin(at: float, samples: list[Sample]) -> TimeBin:
    ordered = _latencies(samples)
    return TimeBin(
        at=at,
        sent=len(samples),
        dropped=len(samples) - len(ordered),
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
    )


def _latencies(samples: Iterable[Sample]) -> list[float]:
    return sorted((s.done - s.intended) * 1000 for s in samples if s.outcome is Outcome.OK)
