"""From samples and histories to ranked causes with evidence, fix and patch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from podready.rehearse.diagnosis.advice import AdviceContext, Group, advise
from podready.rehearse.diagnosis.causes import ROWS, LostRequest
from podready.rehearse.diagnosis.diagnosis import diagnose, lost_samples
from podready.rehearse.history import Ended, PodHistory
from podready.rehearse.load.plan import Outcome, Sample

Make = Callable[..., Sample]


def test_the_endpoint_race_is_told_with_its_numbers(
    a_sample: Make, dying: PodHistory, context: AdviceContext
) -> None:
    """Count, times, formula, seconds to wait and the patch: all of it filled in."""
    samples = [a_sample(index=0)] + [
        a_sample(index=i, sent=100.1 + i / 10, done=100.1 + i / 10, outcome=Outcome.REFUSED)
        for i in range(1, 9)
    ]
    found = diagnose(samples, {dying.pod: dying}, context, start=90.0)
    assert [(c.code, c.count) for c in found.causes] == [("listener-closed-early", 8)]
    cause = found.causes[0]
    assert "8 refused between +0.20 s and +0.90 s after termination began" in cause.evidence
    assert "the listener closed at +0.10 s" in cause.evidence
    assert "the last proxy stopped routing at +1.00 s" in cause.evidence
    assert "300/s x 20% x 0.80 s uncovered on average x 1 rollout = 48" in cause.evidence
    assert "3 s" in cause.fix
    assert "sleep: {seconds: 3}" in cause.patch
    assert [loss.at for loss in found.losses][:2] == [10.2, 10.3]
    assert {loss.cause for loss in found.losses} == {"listener-closed-early"}
    assert found.findings == ()


def test_causes_are_ranked_by_what_they_cost(
    a_sample: Make, dying: PodHistory, context: AdviceContext
) -> None:
    """The first cause is the one to mend first."""
    refused = [a_sample(sent=100.5, done=100.5, outcome=Outcome.REFUSED)] * 2
    raced = [a_sample(sent=100.1, done=100.1, outcome=Outcome.EOF, reused=True)] * 5
    found = diagnose([*refused, *raced], {dying.pod: dying}, context, 90.0)
    assert [(c.code, c.count) for c in found.causes] == [
        ("keep-alive-race", 5),
        ("listener-closed-early", 2),
    ]


def test_a_pid_1_that_ignores_sigterm_is_found_even_when_nothing_is_lost(
    dying: PodHistory, context: AdviceContext
) -> None:
    """The shell-form CMD is named with its line, and so is the exec form to use."""
    ignoring = replace(dying, handled=False, sigkill=130.0, ends=(Ended(130.0, 137, 9),))
    found = diagnose([], {ignoring.pod: ignoring}, context, 90.0)
    assert found.causes == ()
    finding = found.findings[0]
    assert (finding.code, finding.count) == ("pid1-ignores-sigterm", 1)
    assert "`/bin/sh -c uvicorn hello:app`, Dockerfile:9" in finding.evidence
    assert "30 s after its deletion" in finding.evidence
    assert "shell-form CMD" in finding.fix
    assert '-CMD uvicorn hello:app\n+CMD ["podready", "run", "hello:app"]' in finding.patch


def test_a_pod_that_hears_sigterm_and_is_killed_has_too_little_grace(
    dying: PodHistory, context: AdviceContext
) -> None:
    """Then the arithmetic is wrong, not the signal."""
    slow = replace(dying, sigkill=130.0, ends=(Ended(130.0, 137, 9),))
    found = diagnose([], {slow.pod: slow}, context, 90.0)
    assert found.findings[0].code == "grace-period-too-short"
    assert "terminationGracePeriodSeconds (30)" in found.findings[0].fix


def test_what_the_generator_did_not_do_is_no_loss(a_sample: Make) -> None:
    """Requests never sent or cut off by the generator's own end prove nothing against the app."""
    outcomes = [Outcome.OK, Outcome.CAP, Outcome.UNFINISHED, Outcome.REFUSED]
    assert len(lost_samples([a_sample(outcome=outcome) for outcome in outcomes])) == 1


@pytest.mark.parametrize("code", [row.code for row in ROWS])
@pytest.mark.parametrize("known", [True, False])
def test_every_cause_has_words(
    a_sample: Make, dying: PodHistory, context: AdviceContext, code: str, known: bool
) -> None:
    """No row leaves its reader without evidence and a fix, even where no pod is known."""
    crashed = replace(dying, deleted=None, sigterm=None, ends=(Ended(95.0, 137, 9, oom=True),))
    history = (crashed if code == "killed-in-flight" else dying) if known else None
    lost = LostRequest(a_sample(sent=100.2, done=100.3, outcome=Outcome.RESET), history, 0.01)
    words = advise(Group(code, (lost,), context))
    assert len(words.evidence) > 5
    assert len(words.fix) > 20
