"""How each node's view follows the truth: late, in order, and on average by the lag."""

from __future__ import annotations

import random
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.cluster.proxy.backends import Backend, EndpointState, ServicePort
from podready.cluster.proxy.views import Lag, Rerouting, Views

HTTP = ServicePort("default/hello", "")
A, B = Backend("default/a", "10.0.0.1", 3000), Backend("default/b", "10.0.0.2", 3000)
READY, TERMINATING = EndpointState.READY, EndpointState.TERMINATING


def views(nodes: int = 4, add: float = 1.0, remove: float = 1.0, seed: int = 0) -> Views:
    """Return views of nodes that have just started."""
    return Views(nodes, Lag(add, remove), random.Random(seed))


def changes(of: Views) -> list[tuple[float, Rerouting]]:
    """Let time pass until all is settled; return each change with its moment."""
    found = []
    while (due := of.next_due) is not None:
        found += [(due, change) for change in of.advance(due)]
    return found


def test_nothing_changes_before_half_the_lag_and_everything_by_one_and_a_half() -> None:
    """With a lag of 1 s a removed endpoint is routed to on every node for 0.5 s, on none at 1.5."""
    v = views()
    v.observe(HTTP, {A: READY, B: READY}, 0.0, at_once=True)
    v.advance(0.0)
    v.observe(HTTP, {B: READY}, 100.0)
    assert v.advance(100.499) == []
    assert all(v.routed(node, HTTP) == (A, B) for node in range(4))
    v.advance(101.5)
    assert all(v.routed(node, HTTP) == (B,) for node in range(4))
    assert v.next_due is None


def test_nodes_disagree_for_a_while() -> None:
    """Each node follows at a time of its own, one in each quarter of the range."""
    v = views(seed=3)
    v.observe(HTTP, {A: READY}, 100.0)
    found = changes(v)
    assert sorted(change.node for _, change in found) == [0, 1, 2, 3]
    quarters = sorted(int((due - 100.5) / 0.25) for due, _ in found)
    assert quarters == [0, 1, 2, 3]


def test_the_mean_delay_is_the_lag() -> None:
    """Over 200 rollouts of 3 pods the mean delay is the lag to 1 %, in each to 10 %."""
    means = []
    for seed in range(200):
        rng = random.Random(seed)
        delays = [Lag().delays(4, 1.0, rng) for _ in range(3)]
        means.append(mean(d for change in delays for d in change))
    assert abs(mean(means) - 1.0) < 0.01
    assert all(abs(each - 1.0) < 0.10 for each in means)


def test_every_node_is_early_and_late_in_turn() -> None:
    """A single node's delays cover the whole range: no node is the slow one for ever."""
    rng = random.Random(1)
    of_node_0 = [Lag().delays(4, 2.0, rng)[0] for _ in range(1000)]
    assert min(of_node_0) < 1.1
    assert max(of_node_0) > 2.9
    assert abs(mean(of_node_0) - 2.0) < 0.1


def test_a_single_node_has_exactly_the_lag() -> None:
    """With one node there is nothing to spread: the delay is the lag itself."""
    v = views(nodes=1, remove=3.0)
    v.observe(HTTP, {A: READY}, 0.0, at_once=True)
    v.advance(0.0)
    v.observe(HTTP, {}, 10.0)
    assert changes(v) == [(13.0, Rerouting(0, HTTP, A, routed=False))]


def test_addition_and_removal_lag_apart() -> None:
    """A node may learn of new pods at once and of dead ones late, or the other way round."""
    v = views(nodes=1, add=0.0, remove=5.0)
    v.observe(HTTP, {A: READY}, 100.0)
    assert changes(v) == [(100.0, Rerouting(0, HTTP, A, routed=True))]
    v.observe(HTTP, {A: TERMINATING, B: READY}, 100.0)  # becoming less usable is a removal
    found = changes(v)
    assert found[0] == (100.0, Rerouting(0, HTTP, B, routed=True))
    assert found[1] == (105.0, Rerouting(0, HTTP, A, routed=False))


def test_news_of_one_endpoint_stays_in_order() -> None:
    """A pod that goes and comes back with a shorter delay does not end up gone."""
    v = views(nodes=1, add=0.0, remove=5.0)
    v.observe(HTTP, {A: READY}, 0.0, at_once=True)
    v.advance(0.0)
    v.observe(HTTP, {}, 100.0)
    v.observe(HTTP, {A: READY}, 101.0)
    v.advance(200.0)
    assert v.routed(0, HTTP) == (A,)


def test_the_last_pods_are_routed_to_while_they_terminate() -> None:
    """When the last ready endpoint goes, a terminating one that serves is routed to again."""
    v = views(nodes=1)
    v.observe(HTTP, {A: TERMINATING, B: READY}, 0.0, at_once=True)
    v.advance(0.0)
    assert v.routed(0, HTTP) == (B,)
    v.observe(HTTP, {A: TERMINATING, B: TERMINATING}, 10.0)
    assert changes(v) == [(11.0, Rerouting(0, HTTP, A, routed=True))]
    assert v.routed(0, HTTP) == (A, B)


def test_no_endpoint_left_is_told_too() -> None:
    """Routing to nothing is a change: connections are refused from then on."""
    v = views(nodes=1)
    v.observe(HTTP, {A: READY}, 0.0, at_once=True)
    assert v.advance(0.0) == [Rerouting(0, HTTP, A, routed=True)]
    v.observe(HTTP, {}, 1.0)
    assert v.advance(2.0) == [Rerouting(0, HTTP, A, routed=False)]
    assert v.routed(0, HTTP) == ()


def test_the_same_seed_gives_the_same_delays() -> None:
    """A rehearsal can be played again."""

    def play(seed: int) -> list[tuple[float, Rerouting]]:
        v = views(seed=seed)
        v.observe(HTTP, {A: READY, B: READY}, 0.0)
        return changes(v)

    assert play(5) == play(5)
    assert play(5) != play(6)


endpoint_states = st.dictionaries(st.sampled_from([A, B]), st.sampled_from([TERMINATING, READY]))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3), endpoint_states), min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_every_view_arrives_at_the_truth(
    history: list[tuple[float, dict[Backend, EndpointState]]], nodes: int, seed: int
) -> None:
    """Whatever happened in whatever order, all nodes end at the last state, and the journal of
    changes adds up to it."""
    v = views(nodes=nodes, seed=seed)
    now, told = 0.0, []
    for wait, truth in history:
        now += wait
        told += v.advance(now)
        v.observe(HTTP, truth, now)
    told += [change for _, change in changes(v)]
    last = history[-1][1]
    best = max(last.values(), default=None)
    wanted = {backend for backend, value in last.items() if value is best}
    for node in range(nodes):
        assert set(v.routed(node, HTTP)) == wanted
        on = {b for b in (A, B) if _balance(told, node, b) == 1}
        assert on == wanted


def _balance(told: list[Rerouting], node: int, backend: Backend) -> int:
    """Return how often the node began to route to the backend minus how often it ceased."""
    mine = [c.routed for c in told if c.node == node and c.backend == backend]
    return sum(1 if began else -1 for began in mine)
