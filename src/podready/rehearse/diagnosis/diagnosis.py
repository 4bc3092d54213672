"""Each lost request -> its pod and its cause; all causes ranked, with evidence and fix. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from podready.rehearse.diagnosis.advice import Advice, AdviceContext, Group, advise, killed_pods
from podready.rehearse.diagnosis.causes import TITLES, LostRequest, cause_of
from podready.rehearse.history import PodHistory
from podready.rehearse.load.plan import Outcome, Sample
from podready.rehearse.result import Cause, Loss

DOCS: Final = "https://github.com/podready/podready/blob/main/docs/explanation/how-a-pod-dies.md"

_NOT_LOST: Final = (Outcome.OK, Outcome.CAP, Outcome.UNFINISHED)
"""CAP and UNFINISHED are the generator's own doing: they make a run inconclusive, not lossy."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was lost and why, and what else was found."""

    losses: tuple[Loss, ...]
    causes: tuple[Cause, ...]
    findings: tuple[Cause, ...]


def lost_samples(samples: Iterable[Sample]) -> list[Sample]:
    """Return the dropped requests among the samples."""
    return [sample for sample in samples if sample.outcome not in _NOT_LOST]


def diagnose(
    samples: Iterable[Sample],
    histories: Mapping[str, PodHistory],
    context: AdviceContext,
    start: float,
) -> Diagnosis:
    """Attribute every lost request; times of the losses are seconds from `start`."""
    samples = list(samples)
    usual = usual_seconds(samples)
    lost = [
        LostRequest(sample, histories.get(sample.pod), usual.get(sample.kind, 0.0))
        for sample in lost_samples(samples)
    ]
    groups: dict[str, list[LostRequest]] = defaultdict(list)
    losses = []
    for one in lost:
        code = cause_of(one)
        groups[code].append(one)
        losses.append(_loss(one, code, start))
    causes = [_cause(Group(code, tuple(many), context)) for code, many in groups.items()]
    causes.sort(key=lambda cause: (-cause.count, cause.code))
    return Diagnosis(tuple(losses), tuple(causes), tuple(_findings(histories, context, lost)))


def usual_seconds(samples: Iterable[Sample]) -> dict[str, float]:
    """Return the median service time of each kind of request that succeeded, in seconds."""
    times: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        if sample.outcome is Outcome.OK:
            times[sample.kind].append(sample.done - sample.sent)
    return {kind: statistics.median(seconds) for kind, seconds in times.items()}


def _cause(group: Group) -> Cause:
    advice = advise(group)
    return _as_cause(group.code, len(group.lost), TITLES[group.code], advice)


def _as_cause(code: str, count: int, title: str, advice: Advice) -> Cause:
    return Cause(
        code, count, title, advice.fix, advice.evidence, advice.patch, docs=f"{DOCS}#{code}"
    )


def _loss(lost: LostRequest, code: str, start: float) -> Loss:
    sample = lost.sample
    return Loss(
        at=round(lost.at - start, 4),
        intended=round(sample.intended - start, 4),
        kind=sample.kind,
        method=sample.method,
        connection=sample.connection.value,
        outcome=sample.outcome.value,
        status=sample.status,
        pod=sample.pod,
        node=sample.node,
        reused=sample.reused,
        error=sample.error,
        cause=code,
    )


def _findings(
    histories: Mapping[str, PodHistory], context: AdviceContext, lost: list[LostRequest]
) -> Iterable[Cause]:
    """Yield what the pods did wrong even where it cost no request."""
    killed = tuple(h for h in histories.values() if h.was_killed_at_grace)
    if not killed:
        return
    pods = {h.pod for h in killed}
    cut = sum(1 for one in lost if one.sample.pod in pods)
    advice = killed_pods(killed, context, f"{cut} requests were lost on them" if cut else "")
    if any(h.handled is False for h in killed):
        title = "PID 1 ignores SIGTERM, so every pod ends in SIGKILL"
        yield _as_cause("pid1-ignores-sigterm", len(killed), title, advice)
    else:
        title = "Pods do not stop within their grace period"
        yield _as_cause("grace-period-too-short", len(killed), title, advice)
