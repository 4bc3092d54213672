"""Scenario results -> a verdict, one line, one exit code. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from podready.contract import ExitCode
from podready.rehearse.model import gap_bound
from podready.rehearse.result import Cause, RehearsalResult, ScenarioResult, Verdict

_EXIT_CODES: Final = {
    Verdict.READY: ExitCode.OK,
    Verdict.NOT_READY: ExitCode.NOT_READY,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


def verdict_of(scenarios: Sequence[ScenarioResult]) -> Verdict:
    """Return not-ready for any loss or failure; else inconclusive for any doubt; else ready.

    A loss that was seen is real however late the generator was; only a clean run needs a
    generator that can be trusted.
    """
    if any(scenario.dropped or scenario.failure for scenario in scenarios):
        return Verdict.NOT_READY
    if not scenarios or any(scenario.inconclusive for scenario in scenarios):
        return Verdict.INCONCLUSIVE
    return Verdict.READY


def exit_code(verdict: Verdict) -> ExitCode:
    """Return what the command ends with."""
    return _EXIT_CODES[verdict]


def gap_ms_95(rate: float, scenarios: Sequence[ScenarioResult], weights: Sequence[float]) -> float:
    """Return the mean uncovered gap (milliseconds) that the losses seen rule out, 95 % sure.

    `weights` says how many full rollouts each scenario was worth, late requests taken off.
    """
    dropped = sum(scenario.dropped for scenario in scenarios)
    return round(gap_bound(rate, sum(weights), dropped) * 1000, 1)


def headline(result: RehearsalResult) -> str:
    """Return the line that people came for, without the report's path."""
    total = f"{result.dropped:,} of {result.sent:,} requests dropped"
    if result.verdict is Verdict.READY:
        return f"READY  {total} · uncovered gap < {_gap(result.gap_ms_95)} (95 %)"
    if result.verdict is Verdict.INCONCLUSIVE:
        return f"INCONCLUSIVE  {total}, but that proves nothing"
    return f"NOT READY  {total}"


def reasons(result: RehearsalResult) -> list[str]:
    """Return the sentences under the headline: failures, doubts, each with its scenarios."""
    titles: dict[str, list[str]] = {}
    for scenario in result.scenarios:
        doubt = scenario.inconclusive if result.verdict is Verdict.INCONCLUSIVE else ""
        for reason in filter(None, (scenario.failure, doubt)):
            titles.setdefault(reason, []).append(scenario.title)
    return [f"{', '.join(names)}: {reason}" for reason, names in titles.items()]


def ranked_causes(result: RehearsalResult) -> list[Cause]:
    """Return the causes of all scenarios, one a code, the costliest first."""
    return _merged([cause for s in result.scenarios for cause in s.causes])


def ranked_findings(result: RehearsalResult) -> list[Cause]:
    """Return the findings of all scenarios and of the manifests, one a code.

    A fix that a cause names already is not repeated.
    """
    named = {cause.fix for scenario in result.scenarios for cause in scenario.causes}
    found = [finding for s in result.scenarios for finding in s.findings]
    return [one for one in _merged([*found, *result.findings]) if one.fix not in named]


def _merged(causes: Sequence[Cause]) -> list[Cause]:
    worst: dict[str, Cause] = {}
    counts: dict[str, int] = {}
    for cause in sorted(causes, key=lambda cause: -cause.count):
        worst.setdefault(cause.code, cause)
        counts[cause.code] = counts.get(cause.code, 0) + cause.count
    order = sorted(worst, key=lambda code: -counts[code])
    return [replace(worst[code], count=counts[code]) for code in order]


def _gap(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"
