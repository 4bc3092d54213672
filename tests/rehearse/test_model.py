"""The loss model against the numbers that were measured and published."""

import math

import pytest

from podready.rehearse.model import (
    gap_bound,
    lost_per_rollout,
    poisson_upper,
)


@pytest.mark.parametrize(
    ("accepting", "measured"),
    [(0.0, 190), (1.0, 63), (2.0, 0)],
)
def test_fixed_lag_matches_what_uvicorn_lost(accepting: float, measured: int) -> None:
    """Two pods, lag 1.5 s, 200 requests a second: 190, 63 and 0 were lost on a real machine."""
    lost = lost_per_rollout(200, max(0.0, 1.5 - accepting), share_new=2 / 3)
    assert lost == pytest.approx(measured, rel=0.06, abs=4)


@pytest.mark.parametrize(
    ("rate", "rollouts", "milliseconds"), [(50, 1, 60), (500, 1, 6), (500, 3, 2), (300, 1, 10)]
)
def test_zero_losses_bound_the_gap(rate: float, rollouts: int, milliseconds: float) -> None:
    """The rule of three: 0 seen means gap < 3 / rate with 95 % confidence."""
    assert gap_bound(rate, rollouts) * 1000 == pytest.approx(milliseconds, rel=0.01)


def test_nothing_rolled_out_bounds_nothing() -> None:
    """Without a rollout there is no evidence at all."""
    assert gap_bound(300, 0) == math.inf


@pytest.mark.parametrize(("count", "upper"), [(0, 2.996), (1, 4.744), (10, 16.962), (200, 225.3)])
def test_poisson_bound(count: int, upper: float) -> None:
    """The 95 % upper limits of the usual tables."""
    assert poisson_upper(count) == pytest.approx(upper, rel=0.002)
