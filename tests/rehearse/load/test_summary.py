"""What the samples say together, and when the generator doubts itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.rehearse.load.plan import Outcome, Sample
from podready.rehearse.load.summary import (
    Latency,
    LoadSummary,
    StreamEnd,
    TimeBin,
    bins,
    latency,
    outcomes,
    percentile,
)

GOOD = LoadSummary(
    planned=1000,
    outcomes={"ok": 1000},
    started=10.0,
    stopped=20.0,
    lag_p50_ms=0.5,
    lag_p99_ms=2.0,
    lag_max_ms=30.0,
    late_share=0.001,
    cpu_percent=9.0,
    cpu_us_per_request=90.0,
    connections=200,
    peak_connections=20,
    loop="uvloop",
)
MakeSample = Callable[..., Sample]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_a_value_that_was_seen(values: list[float], share: float) -> None:
    """Nearest rank: at least that share of the values is no greater, and no smaller one does."""
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(1 for v in ordered if v <= found) >= share * len(ordered) - 1e-9
    assert sum(1 for v in ordered if v < found) < share * len(ordered) + 1e-9


def test_no_values_have_no_percentile() -> None:
    """An empty scenario has a latency of 0 and not an error."""
    assert percentile([], 0.99) == 0.0
    assert latency([]) == Latency()


def test_latency_is_counted_from_the_intended_time(a_sample: MakeSample) -> None:
    """A request that was sent late was late for its user; lost requests have no latency."""
    slow = a_sample(intended=100.0, sent=100.9, done=101.0)
    lost = a_sample(intended=100.0, done=190.0, outcome=Outcome.RESET)
    assert latency([slow, lost]).max_ms == pytest.approx(1000)


def test_bins_show_the_time_the_requests_were_due(a_sample: MakeSample) -> None:
    """Loss and latency are drawn where the request belonged, and empty slices stay visible."""
    samples = [
        a_sample(intended=100.05, done=100.06),
        a_sample(intended=100.07, done=105.0, outcome=Outcome.TIMEOUT),
        a_sample(intended=100.25, done=100.27),
    ]
    found = bins(samples, origin=100.0, width=0.1)
    assert [(round(b.at, 3), b.sent, b.dropped) for b in found] == [
        (0.0, 2, 1),
        (0.1, 0, 0),
        (0.2, 1, 0),
    ]
    assert found[0].p99_ms == pytest.approx(10)
    assert found[1] == TimeBin(0.1, 0, 0, 0.0, 0.0)
    assert bins([], origin=0.0, width=1.0) == []


def test_outcomes_are_counted(a_sample: MakeSample) -> None:
    """Each outcome that occurred has its number."""
    samples = [a_sample(), a_sample(), a_sample(outcome=Outcome.EOF)]
    assert outcomes(samples) == {"ok": 2, "eof": 1}


def test_a_punctual_run_leaves_no_doubt() -> None:
    """A few late requests are normal on a busy machine; the bound is corrected for them."""
    assert GOOD.doubt() == ""
    assert GOOD.dropped == 0
    assert GOOD.punctual_share == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"late_share": 0.26}, "late"),
        ({"lag_max_ms": 501.0}, "set out 0.5 s late"),
        ({"cpu_percent": 90.0}, "90 % of a core"),
        ({"outcomes": {"ok": 990, "cap": 10}}, "10 requests were not sent"),
        ({"outcomes": {"ok": 999, "unfinished": 1}}, "still under way"),
        ({"error": "the cluster's dialer closed its socket"}, "dialer"),
    ],
)
def test_a_run_that_proves_nothing_says_why(changes: dict[str, object], words: str) -> None:
    """Each reason for doubt is a sentence."""
    assert words in replace(GOOD, **changes).doubt()  # type: ignore[arg-type]


def test_the_summary_survives_the_pipe() -> None:
    """JSON and back, streams included, and an unknown field of a newer process ignored."""
    whole = replace(GOOD, streams=(StreamEnd("/events", 0, "default/a", 1.0, 2.0, "cut"),))
    fact = json.loads(json.dumps(whole.to_json()))
    assert LoadSummary.from_json({**fact, "event": "summary"}) == whole
