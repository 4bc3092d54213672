"""Rollout arithmetic: each rule by example, and the promises of a rolling update by property."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.kube.rollout import (
    Bounds,
    ReplicaCount,
    bounds_of,
    has_progressed,
    is_complete,
    proportional_sizes,
    resolve_bounds,
    resolve_int_or_percent,
    rolling_step,
    seconds_to_deadline,
    size_of_new,
    sizes_of_old,
)


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [(3, 10, 3, 3), ("25%", 3, 1, 0), ("25%", 4, 1, 1), ("0%", 9, 0, 0), ("100%", 7, 7, 7)],
)
def test_percent_rounds_as_asked(value: int | str, total: int, up: int, down: int) -> None:
    """A number is itself; a percentage of the total rounds up for surge, down for unavailable."""
    assert resolve_int_or_percent(value, total, round_up=True) == up
    assert resolve_int_or_percent(value, total, round_up=False) == down


@pytest.mark.parametrize("value", ["25", "a%", "%", "-5%"])
def test_percent_refuses_other_texts(value: str) -> None:
    """Anything but a number or `N%` is an error that shows the text."""
    with pytest.raises(ValueError, match=value):
        resolve_int_or_percent(value, 4, round_up=True)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "bounds"),
    [
        (3, "25%", "25%", Bounds(3, 1, 0)),
        (4, "25%", "25%", Bounds(4, 1, 1)),
        (10, "25%", "25%", Bounds(10, 3, 2)),
        (3, 0, 0, Bounds(3, 0, 1)),
        (1, "0%", "99%", Bounds(1, 0, 1)),
        (2, 0, 5, Bounds(2, 0, 2)),
        (0, "25%", "25%", Bounds(0, 0, 0)),
    ],
)
def test_bounds(replicas: int, surge: int | str, unavailable: int | str, bounds: Bounds) -> None:
    """Three replicas at 25%/25% surge by one and lack none; both zero lets one be unavailable."""
    assert resolve_bounds(replicas, surge, unavailable) == bounds


def test_bounds_of_spec() -> None:
    """The spec's own numbers count, then the defaults; Recreate has neither surge nor slack."""
    assert bounds_of({"replicas": 3}) == Bounds(3, 1, 0)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    assert bounds_of({"replicas": 3, "strategy": rolling}) == Bounds(3, 2, 0)
    assert bounds_of({"replicas": 3, "strategy": {"type": "Recreate"}}) == Bounds(3, 0, 0)


@pytest.mark.parametrize(
    ("bounds", "new", "old", "size"),
    [
        (Bounds(3, 1, 0), 0, [3], 1),
        (Bounds(3, 1, 0), 1, [3], 1),
        (Bounds(3, 1, 0), 1, [2], 2),
        (Bounds(10, 3, 2), 3, [10], 3),
        (Bounds(10, 3, 2), 3, [8], 5),
        (Bounds(10, 3, 2), 0, [13], 0),
        (Bounds(3, 1, 0), 0, [], 3),
        (Bounds(3, 1, 0), 5, [], 3),
    ],
)
def test_size_of_new(bounds: Bounds, new: int, old: list[int], size: int) -> None:
    """The new ReplicaSet takes the room that the surge leaves, never more than the replicas."""
    olds = [ReplicaCount(f"old-{i}", n, n) for i, n in enumerate(old)]
    assert size_of_new(bounds, ReplicaCount("new", new), olds) == size


@pytest.mark.parametrize(
    ("bounds", "new", "old", "sizes"),
    [
        # surge pod not yet available: nothing may go
        (Bounds(3, 1, 0), (1, 0), [(3, 3)], {}),
        # surge pod available: one old pod goes
        (Bounds(3, 1, 0), (1, 1), [(3, 3)], {"old-0": 2}),
        # two may be unavailable: they go at once
        (Bounds(10, 3, 2), (0, 0), [(10, 10)], {"old-0": 8}),
        # Kubernetes' own comment, case 1: 13 - 8 - 5 leaves nothing to remove
        (Bounds(10, 3, 2), (5, 0), [(8, 7)], {}),
        # after undo 4 of the crash-looping pods go
        (Bounds(10, 3, 2), (8, 7), [(5, 0)], {"old-0": 1}),
        # its second case: up to five may go, which is what the broken younger set has
        (Bounds(10, 3, 2), (0, 0), [(8, 8), (5, 0)], {"old-1": 0}),
        # healthy ones go from the oldest first
        (Bounds(4, 1, 1), (1, 1), [(1, 1), (3, 3)], {"old-0": 0, "old-1": 2}),
        (Bounds(4, 1, 1), (4, 4), [], {}),
    ],
)
def test_sizes_of_old(
    bounds: Bounds, new: tuple[int, int], old: list[tuple[int, int]], sizes: dict[str, int]
) -> None:
    """Unhealthy old pods go first, then as many as are available beyond the least needed."""
    olds = [ReplicaCount(f"old-{i}", *n, created=str(i)) for i, n in enumerate(old)]
    assert sizes_of_old(bounds, ReplicaCount("new", *new), olds) == sizes


@dataclass
class Pods:
    """ReplicaSets whose pods become available when the test says so."""

    bounds: Bounds
    sets: dict[str, ReplicaCount]
    totals: list[int] = field(default_factory=list)
    available: list[int] = field(default_factory=list)

    def step(self) -> bool:
        """Apply one sync; a shrinking ReplicaSet removes its unavailable pods first."""
        old = [rs for name, rs in self.sets.items() if name != "new"]
        changes = rolling_step(self.bounds, self.sets["new"], old)
        for name, size in changes.items():
            rs = self.sets[name]
            self.sets[name] = replace(rs, replicas=size, available=min(rs.available, size))
        self.totals.append(sum(rs.replicas for rs in self.sets.values()))
        self.available.append(sum(rs.available for rs in self.sets.values()))
        return bool(changes)

    def settle(self, most: int = 1000) -> None:
        """Let `most` missing pods become available."""
        for name, rs in self.sets.items():
            up = min(most, rs.replicas - rs.available)
            most -= up
            self.sets[name] = replace(rs, available=rs.available + up)

    @property
    def done(self) -> bool:
        sizes = {name: rs.replicas for name, rs in self.sets.items()}
        wanted = dict.fromkeys(sizes, 0) | {"new": self.bounds.replicas}
        return sizes == wanted


def test_three_replicas_step_by_step() -> None:
    """3 at 25%/25%: up one, down one, … never 5 pods, never fewer than 3 available."""
    pods = Pods(Bounds(3, 1, 0), {"new": ReplicaCount("new", 0), "old": ReplicaCount("old", 3, 3)})
    story = []
    while not pods.done:
        if not pods.step():
            pods.settle()
            continue
        story.append((pods.sets["new"].replicas, pods.sets["old"].replicas))
    assert story == [(1, 3), (1, 2), (2, 2), (2, 1), (3, 1), (3, 0)]
    assert max(pods.totals) == 4
    assert min(pods.available) == 3


SHARES = st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda n: f"{n}%"))


@st.composite
def fleets(draw: st.DrawFn) -> Pods:
    """Any Deployment in any moment of a rollout that kept its bounds so far."""
    bounds = resolve_bounds(draw(st.integers(0, 12)), draw(SHARES), draw(SHARES))
    sets, room = {}, bounds.most
    for name in ("new", "old-a", "old-b"):
        size = draw(st.integers(0, room if name != "new" else min(room, bounds.replicas)))
        room -= size
        sets[name] = ReplicaCount(name, size, draw(st.integers(0, size)), created=name)
    return Pods(bounds, sets)


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no failure
@given(fleets(), st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_never_above_surge_never_below_least(pods: Pods, arrivals: list[int]) -> None:
    """However pods become available, steps never exceed the surge nor cost availability."""
    for arriving in arrivals:
        before = sum(rs.available for rs in pods.sets.values())
        pods.step()
        assert pods.totals[-1] <= pods.bounds.most
        assert pods.available[-1] >= min(before, pods.bounds.least)
        pods.settle(arriving)


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no failure
@given(fleets())
def test_always_progresses(pods: Pods) -> None:
    """When pods do become available, every rollout ends: all new, none old."""
    for _ in range(60):
        pods.step()
        pods.settle()
    assert pods.done


def test_proportional_scaling_shares_growth() -> None:
    """10 -> 15 replicas, surge 3: sets of 8 and 5 of 13 allowed pods become 11 and 7 of 18."""
    sets = [
        ReplicaCount("old", 8, 8, "1", max_replicas=13),
        ReplicaCount("new", 5, 0, "2", max_replicas=13),
    ]
    assert proportional_sizes(Bounds(15, 3, 2), sets) == {"old": 11, "new": 7}


@pytest.mark.parametrize(
    ("bounds", "sizes", "expected"),
    [
        (Bounds(0, 0, 0), {"a": 3, "b": 2}, {"a": 0, "b": 0}),
        (Bounds(5, 0, 1), {"a": 3, "b": 2}, {"a": 3, "b": 2}),
        (Bounds(6, 0, 1), {"a": 2, "b": 2}, {"a": 3, "b": 3}),
        (Bounds(5, 0, 1), {"a": 2, "b": 2}, {"a": 2, "b": 3}),
        (Bounds(3, 0, 1), {"a": 2, "b": 2}, {"a": 1, "b": 2}),
    ],
)
def test_proportional_leftovers(
    bounds: Bounds, sizes: dict[str, int], expected: dict[str, int]
) -> None:
    """Zero empties all; a leftover goes to the newer of equals, and is taken from the older."""
    total = sum(sizes.values())
    sets = [ReplicaCount(n, size, 0, n, max_replicas=total) for n, size in sizes.items()]
    assert proportional_sizes(bounds, sets) == expected


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(0, 60), st.integers(0, 5))
def test_proportional_sizes_add_up(sizes: list[int], replicas: int, surge: int) -> None:
    """The shares add up to what is allowed, save where the largest set has nothing left to give.

    Kubernetes takes the leftover from the largest set and cuts it at zero (deployment/sync.go,
    `scale`); what is then still too much goes in the next sync.
    """
    sets = [ReplicaCount(str(i), n, 0, str(i), sum(sizes)) for i, n in enumerate(sizes)]
    result = proportional_sizes(Bounds(replicas, surge, 0), sets)
    allowed, total = replicas + surge if replicas else 0, sum(result.values())
    assert total == allowed or (allowed < total <= sum(sizes) and min(result.values()) == 0)
    assert min(result.values()) >= 0


def test_complete_needs_every_count_and_the_generation() -> None:
    """A rollout is complete when updated, all and available equal the spec, for this generation."""
    status = {"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}
    assert is_complete(3, 2, status)
    assert not is_complete(3, 3, status)
    assert not is_complete(3, 2, status | {"replicas": 4})
    assert not is_complete(3, 2, {"observedGeneration": 2})
    assert is_complete(0, 1, {"observedGeneration": 1})


@pytest.mark.parametrize(
    ("change", "progress"),
    [
        ({}, False),
        ({"updatedReplicas": 2}, True),
        ({"readyReplicas": 4}, True),
        ({"availableReplicas": 4}, True),
        ({"replicas": 3}, True),
        ({"availableReplicas": 2}, False),
        ({"replicas": 5}, False),
    ],
)
def test_progress(change: dict[str, int], progress: bool) -> None:
    """One more updated, ready or available pod is progress, and one old pod less."""
    before = {"replicas": 4, "updatedReplicas": 1, "readyReplicas": 3, "availableReplicas": 3}
    assert has_progressed(before, before | change) is progress


def test_deadline() -> None:
    """The deadline counts from the last progress."""
    then = datetime(2026, 1, 1, tzinfo=UTC)
    assert seconds_to_deadline(then, 600, then + timedelta(minutes=3)) == 420
    assert seconds_to_deadline(then, 600, then + timedelta(minutes=11)) == -60
