"""Jitter: within its bounds, and the same for the same seed."""

from __future__ import annotations

import pytest

from podready.cluster.reconcile.jitter import Jitter


def test_delays_keep_their_bounds() -> None:
    """Every delay lies between low and high."""
    jitter = Jitter(0.01, 0.02)
    assert all(0.01 <= jitter.delay() <= 0.02 for _ in range(100))
    assert Jitter(0.0, 0.0).delay() == 0


def test_a_seed_repeats_itself() -> None:
    """A rehearsal with the same seed has the same delays."""
    first, second = Jitter(seed=7), Jitter(seed=7)
    assert [first.delay() for _ in range(9)] == [second.delay() for _ in range(9)]


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (2, 1)])
def test_nonsense_is_refused(low: float, high: float) -> None:
    """Delays go forward in time, from low to high."""
    with pytest.raises(ValueError, match="jitter"):
        Jitter(low, high)
