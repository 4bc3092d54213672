"""Addresses for pods."""

from __future__ import annotations

import pytest

from podready.cluster.sandbox.network.addresses import AddressPool
from podready.errors import ClusterError


def test_an_address_rests_before_it_is_used_again() -> None:
    """All fresh addresses come first; then the one that was given back longest ago."""
    pool = AddressPool("10.244.0.0/29")
    taken = [pool.take() for _ in range(5)]

    pool.give_back(taken[3])
    pool.give_back(taken[0])

    assert taken == [f"10.244.0.{n}" for n in range(2, 7)]
    assert [pool.take(), pool.take()] == [taken[3], taken[0]]
    with pytest.raises(ClusterError, match="all addresses"):
        pool.take()
