"""One word, one line, one exit code."""

from __future__ import annotations

from typing import Any

import pytest

from podready.rehearse.result import Cause, RehearsalResult, ScenarioResult, Verdict
from podready.rehearse.verdict import (
    exit_code,
    gap_ms_95,
    headline,
    ranked_causes,
    ranked_findings,
    reasons,
    verdict_of,
)


def scenario(name: str = "rolling-update", **changes: Any) -> ScenarioResult:
    """Return a scenario in which nothing was lost."""
    usual: dict[str, Any] = {
        "title": name,
        "sent": 6000,
        "dropped": 0,
        "p50_ms": 3.0,
        "p99_ms": 9.0,
        "max_ms": 20.0,
        "seconds": 20.0,
        "rollouts": 1,
    }
    return ScenarioResult(name=name, **{**usual, **changes})


def result(*scenarios: ScenarioResult, gap: float = 4.3) -> RehearsalResult:
    """Return a rehearsal of these scenarios."""
    return RehearsalResult(
        verdict=verdict_of(scenarios),
        sent=sum(s.sent for s in scenarios),
        dropped=sum(s.dropped for s in scenarios),
        gap_ms_95=gap,
        scenarios=scenarios,
        project="web",
        settings={},
        facts={},
    )


@pytest.mark.parametrize(
    ("scenarios", "verdict", "code"),
    [
        ([scenario()], Verdict.READY, 0),
        ([scenario(), scenario(dropped=1)], Verdict.NOT_READY, 1),
        ([scenario(failure="stuck")], Verdict.NOT_READY, 1),
        ([scenario(inconclusive="late")], Verdict.INCONCLUSIVE, 3),
        ([scenario(inconclusive="late", dropped=2)], Verdict.NOT_READY, 1),
        ([], Verdict.INCONCLUSIVE, 3),
    ],
)
def test_one_loss_decides_and_doubt_never_passes(
    scenarios: list[ScenarioResult], verdict: Verdict, code: int
) -> None:
    """A loss that was seen is real; a clean run of a late generator proves nothing."""
    assert verdict_of(scenarios) is verdict
    assert exit_code(verdict) == code


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (
            result(scenario(sent=12431), gap=10.04),
            "READY  0 of 12,431 requests dropped · uncovered gap < 10 ms (95 %)",
        ),
        (result(scenario(dropped=51)), "NOT READY  51 of 6,000 requests dropped"),
        (
            result(scenario(inconclusive="late")),
            "INCONCLUSIVE  0 of 6,000 requests dropped, but that proves nothing",
        ),
    ],
)
def test_headline(made: RehearsalResult, line: str) -> None:
    """Counts, never only a percentage."""
    assert headline(made) == line


def test_reasons_name_the_scenario() -> None:
    """What failed, and what made a clean run worthless, each once."""
    stuck = [scenario("a", failure="stuck"), scenario("b"), scenario("c", failure="stuck")]
    assert reasons(result(*stuck)) == ["a, c: stuck"]
    assert reasons(result(scenario("a", inconclusive="late"))) == ["a: late"]


def test_causes_of_all_scenarios_are_added_up() -> None:
    """One entry a code, the costliest first, with the words of where it was worst."""
    small = Cause("race", 2, "Race", "fix it", "two")
    big = Cause("race", 7, "Race", "fix it", "seven")
    other = Cause("other", 8, "Other", "fix", "")
    merged = ranked_causes(result(scenario(causes=(small, other)), scenario(causes=(big,))))
    assert [(c.code, c.count, c.evidence) for c in merged] == [
        ("race", 9, "seven"),
        ("other", 8, ""),
    ]
    assert ranked_findings(result(scenario(findings=(big,))))[0].code == "race"
    assert ranked_findings(result(scenario(findings=(big,), causes=(small,)))) == []


def test_the_bound_counts_full_rollouts() -> None:
    """Two rollouts and a third of one at 300 a second, nothing lost: 4.3 ms."""
    three = [scenario(), scenario(), scenario()]
    assert gap_ms_95(300, three, [1, 1, 1 / 3]) == pytest.approx(4.3, abs=0.05)
    with_losses = [scenario(dropped=50)]
    assert gap_ms_95(300, with_losses, [1]) == pytest.approx(1000 * 63.3 / 300, rel=0.02)
