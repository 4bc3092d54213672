"""One grace period divided: sums, margins and refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.errors import SettingsError
from podready.runtime.budget import divide, margin_of


def test_kubernetes_default() -> None:
    """Thirty seconds: 5 drain, 17 in flight, 5 hooks, 3 margin."""
    budget = divide(30, 5, 5)
    assert (budget.inflight, budget.margin) == (17, 3)
    assert (budget.drain, budget.cancels_at, budget.ends_at) == (5, 22, 27)


def test_a_sum_that_does_not_fit_is_printed() -> None:
    """A grace period that is too short is refused with every term of the sum."""
    with pytest.raises(SettingsError) as refusal:
        divide(10, 5, 5)
    assert "drain 5s + hooks 5s + margin 1s + at least 1s" in str(refusal.value)
    assert "= 12s, but the grace period is 10s" in str(refusal.value)


@pytest.mark.slow
@given(st.floats(0, 600), st.floats(0, 600), st.floats(0, 600))
def test_the_parts_never_exceed_the_whole(grace: float, drain: float, hooks: float) -> None:
    """Whatever the numbers, the phases follow each other and end before the grace period."""
    try:
        budget = divide(grace, drain, hooks)
    except SettingsError:
        return
    assert 0 <= budget.drain < budget.cancels_at <= budget.ends_at + 1e-6
    assert budget.ends_at <= grace - 1


@pytest.mark.parametrize(("grace", "margin"), [(4, 1), (10, 1), (30, 3), (60, 5), (600, 5)])
def test_margin(grace: float, margin: float) -> None:
    """A tenth, at least one second and at most five."""
    assert margin_of(grace) == margin
