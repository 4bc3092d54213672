"""The open-loop schedule: every arrival once, at its time, with exact shares."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.rehearse.load.plan import Connection, LoadPlan, RequestKind, TcpTarget
from podready.rehearse.load.schedule import BLOCK, Arrival, Shares, arrivals

TARGET = TcpTarget("127.0.0.1", 1)
weights = st.lists(st.floats(0.001, 100), min_size=1, max_size=8)


def plan_of(kinds: list[float], connections: list[float], **fields: float) -> LoadPlan:
    """Return a plan with these weights."""
    return LoadPlan(
        target=TARGET,
        rate=float(fields.pop("rate", 300)),
        requests=tuple(RequestKind(f"kind-{n}", weight=w) for n, w in enumerate(kinds)),
        connections=tuple(zip(Connection, connections, strict=False)),
        **fields,  # type: ignore[arg-type]
    )


@settings(max_examples=60, deadline=None)
@given(weights, st.integers(1, 400))
def test_shares_are_exact_after_every_draw(shares: list[float], draws: int) -> None:
    """At no time is any number more than one draw away from its share."""
    gives = Shares(shares)
    given_out: Counter[int] = Counter()
    for n in range(1, draws + 1):
        given_out[gives.next()] += 1
        for i, share in enumerate(shares):
            assert abs(given_out[i] - n * share / sum(shares)) < 1 + 1e-6


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(weights, st.lists(st.floats(0.01, 1), min_size=1, max_size=3), st.integers(1, 5))
def test_each_kind_and_connection_has_its_share_after_every_block(
    kinds: list[float], connections: list[float], blocks: int
) -> None:
    """Shuffling stays inside a block: after each, every count is within a request of its share."""
    plan = plan_of(kinds, connections)
    drawn = list(islice(arrivals(plan, 4), blocks * BLOCK))
    by_kind = Counter(arrival.kind.name for arrival in drawn)
    pairs = Counter((arrival.kind.name, arrival.connection) for arrival in drawn)
    for kind in plan.requests:
        assert abs(by_kind[kind.name] - len(drawn) * kind.weight / sum(kinds)) < 1 + 1e-6
        for connection, share in plan.connections:
            wanted = by_kind[kind.name] * share / sum(connections)
            assert abs(pairs[kind.name, connection] - wanted) < 1 + 1e-6


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.floats(1, 3000), st.floats(0, 2), st.integers(0, 2**31))
def test_every_planned_arrival_comes_exactly_once_and_in_order(
    rate: float, seconds: float, seed: int
) -> None:
    """Request i is number i, due at i / rate, and there are rate x max_seconds of them."""
    plan = plan_of([85, 10, 5], [0.4, 0.4, 0.2], rate=rate, max_seconds=seconds, seed=seed)
    drawn = list(arrivals(plan, 4))
    assert [arrival.number for arrival in drawn] == list(range(round(rate * seconds)))
    assert all(arrival.due == arrival.number / rate for arrival in drawn)


def test_the_seed_decides_the_order() -> None:
    """The same seed gives the same load, another one another order of the same shares."""

    def first(seed: int) -> list[Arrival]:
        return list(islice(arrivals(plan_of([9, 1], [1, 1, 1], seed=seed), 4), 2 * BLOCK))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert Counter(a.kind for a in first(1)) == Counter(a.kind for a in first(2))


def test_all_nodes_are_used() -> None:
    """New and pooled connections come from every node."""
    drawn = islice(arrivals(plan_of([1], [1]), 4), 400)
    counts = Counter(arrival.node for arrival in drawn)
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) > 50


@pytest.mark.parametrize("bad", [[], [0.0], [1.0, -1.0]])
def test_shares_without_a_sum_are_refused(bad: list[float]) -> None:
    """Weights that cannot be shares are an error and not an endless loop."""
    with pytest.raises(ValueError, match="shares"):
        Shares(bad)


def test_a_kind_without_weight_never_comes() -> None:
    """A weight of 0 switches a kind off."""
    drawn = islice(arrivals(plan_of([1, 0], [1]), 1), 500)
    assert {arrival.kind.name for arrival in drawn} == {"kind-0"}
