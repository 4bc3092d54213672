"""The arithmetic of a Deployment's rollout: surge, unavailable, steps, proportions, progress.

Pure functions over small frozen values; the Deployment controller feeds them and writes what
they answer. All of it follows Kubernetes' own controller (pkg/controller/deployment/rolling.go
and util/deployment_util.go), because the order and size of these steps decide which pods serve
when, and so which requests can be lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_MAX_SURGE = "25%"
"""Kubernetes' default of spec.strategy.rollingUpdate.maxSurge."""

DEFAULT_MAX_UNAVAILABLE = "25%"
"""Kubernetes' default of spec.strategy.rollingUpdate.maxUnavailable."""


@dataclass(frozen=True, slots=True)
class ReplicaCount:
    """How large one ReplicaSet is.

    `replicas` is its spec, `available` its status; `created` orders old ReplicaSets (oldest
    first) and `max_replicas` is the annotation deployment.kubernetes.io/max-replicas: the most
    pods its Deployment was allowed when this ReplicaSet got its size.
    """

    name: str
    replicas: int
    available: int = 0
    created: str = ""
    max_replicas: int | None = None

    @property
    def age_key(self) -> tuple[str, str]:
        """Return what sorts oldest first, by name between twins."""
        return (self.created, self.name)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many pods a Deployment may have more, and may lack, during a rollout."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """Return how many pods there may be, terminating ones not counted."""
        return self.replicas + self.surge

    @property
    def least(self) -> int:
        """Return how many pods must be available."""
        return self.replicas - self.unavailable


def resolve_int_or_percent(value: int | str, total: int, *, round_up: bool) -> int:
    """Return `value` as a number of pods: itself, or that percentage of `total`.

    Raises ValueError when `value` is neither a number nor a percentage such as "25%".
    """
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    if digits == value or not digits.isdecimal():
        raise ValueError(f"{value!r} is neither a number nor a percentage such as '25%'")
    share = int(digits) * total / 100
    return math.ceil(share) if round_up else math.floor(share)


def resolve_bounds(
    replicas: int,
    max_surge: int | str = DEFAULT_MAX_SURGE,
    max_unavailable: int | str = DEFAULT_MAX_UNAVAILABLE,
) -> Bounds:
    """Return the bounds of a rolling update.

    A surge percentage rounds up, an unavailable one down; were both 0, nothing could ever
    move, so unavailable becomes 1 (ResolveFenceposts).
    """
    surge = resolve_int_or_percent(max_surge, replicas, round_up=True)
    unavailable = resolve_int_or_percent(max_unavailable, replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(replicas, surge, min(unavailable, replicas))


def bounds_of(spec: Mapping[str, Any]) -> Bounds:
    """Return the bounds of a Deployment's spec; Recreate may neither surge nor lack pods."""
    replicas = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return Bounds(replicas, 0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    return resolve_bounds(
        replicas,
        rolling.get("maxSurge", DEFAULT_MAX_SURGE),
        rolling.get("maxUnavailable", DEFAULT_MAX_UNAVAILABLE),
    )


def size_of_new(bounds: Bounds, new: ReplicaCount, old: Sequence[ReplicaCount]) -> int:
    """Return the size that the new ReplicaSet may have now, within the surge."""
    if new.replicas >= bounds.replicas:
        return bounds.replicas
    room = bounds.most - new.replicas - _total(old)
    return new.replicas + max(0, min(room, bounds.replicas - new.replicas))


def sizes_of_old(bounds: Bounds, new: ReplicaCount, old: Sequence[ReplicaCount]) -> dict[str, int]:
    """Return the smaller sizes that old ReplicaSets get now; {} when none may shrink yet.

    Unhealthy old pods go first: removing them costs no availability, and they would block the
    rollout otherwise. Then as many healthy ones as the available pods exceed the least needed.
    """
    active = sorted((rs for rs in old if rs.replicas > 0), key=lambda rs: rs.age_key)
    new_unavailable = new.replicas - new.available
    most_removed = new.replicas + _total(active) - bounds.least - new_unavailable
    if most_removed <= 0:
        return {}
    healthy = _without_unhealthy(active, most_removed)
    smaller = _without_surplus(healthy, sum(rs.available for rs in (new, *active)) - bounds.least)
    return _changes(active, smaller)


def _without_unhealthy(old: Sequence[ReplicaCount], most: int) -> list[ReplicaCount]:
    """Return `old` less its unavailable pods, at most `most` of them, oldest ReplicaSet first."""
    left, result = most, []
    for rs in old:
        removed = max(0, min(left, rs.replicas - rs.available))
        left -= removed
        result.append(replace(rs, replicas=rs.replicas - removed))
    return result


def _without_surplus(old: Sequence[ReplicaCount], surplus: int) -> list[ReplicaCount]:
    """Return `old` less `surplus` pods, oldest ReplicaSet first."""
    left, result = max(0, surplus), []
    for rs in old:
        removed = min(left, rs.replicas)
        left -= removed
        result.append(replace(rs, replicas=rs.replicas - removed))
    return result


def _changes(before: Sequence[ReplicaCount], after: Sequence[ReplicaCount]) -> dict[str, int]:
    """Return the new sizes of those ReplicaSets whose size differs."""
    pairs = zip(before, after, strict=True)
    return {b.name: a.replicas for b, a in pairs if a.replicas != b.replicas}


def rolling_step(bounds: Bounds, new: ReplicaCount, old: Sequence[ReplicaCount]) -> dict[str, int]:
    """Return the sizes to set in this sync: the new one grows, or else old ones shrink.

    One of the two at a time; what follows from it triggers the next sync. {} means that
    nothing may move until some pod becomes available, or that the rollout is over.
    """
    size = size_of_new(bounds, new, old)
    if size != new.replicas:
        return {new.name: size}
    return sizes_of_old(bounds, new, old)


def proportional_sizes(bounds: Bounds, sets: Sequence[ReplicaCount]) -> dict[str, int]:
    """Return the sizes of several active ReplicaSets after their Deployment was scaled.

    Each keeps its share of the whole; what rounding leaves over goes to the largest one
    (the newer of equals when growing, the older when shrinking). This spreads the risk of an
    unfinished rollout over new and old pods alike.
    """
    allowed = bounds.most if bounds.replicas > 0 else 0
    total = _total(sets)
    change = allowed - total
    if change == 0:
        return {rs.name: rs.replicas for rs in sets}
    ordered = _largest_first(sets, newer_first=change > 0)
    sizes, added = {}, 0
    for rs in ordered:
        part = _share(bounds, rs, total, change - added)
        sizes[rs.name] = rs.replicas + part
        added += part
    first = ordered[0].name
    sizes[first] = max(0, sizes[first] + change - added)
    return sizes


def _largest_first(sets: Sequence[ReplicaCount], *, newer_first: bool) -> list[ReplicaCount]:
    by_age = sorted(sets, key=lambda rs: rs.age_key, reverse=newer_first)
    return sorted(by_age, key=lambda rs: -rs.replicas)


def _share(bounds: Bounds, rs: ReplicaCount, total: int, left: int) -> int:
    """Return how many pods `rs` gets (or loses, negative) of the `left` ones."""
    if rs.replicas == 0 or left == 0:
        return 0
    if bounds.replicas == 0:
        fraction = -rs.replicas
    else:
        base = rs.max_replicas or total
        fraction = math.floor(rs.replicas * bounds.most / base + 0.5) - rs.replicas
    return min(max(0, fraction), left) if left > 0 else max(min(0, fraction), left)


def _total(sets: Sequence[ReplicaCount]) -> int:
    return sum(rs.replicas for rs in sets)


def is_complete(spec_replicas: int, generation: int, status: Mapping[str, Any]) -> bool:
    """Return whether all pods are new and available, and no old one is left."""
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    observed: int = status.get("observedGeneration", 0)
    return observed >= generation and all(status.get(c, 0) == spec_replicas for c in counts)


def has_progressed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether one more pod was updated, became ready or available, or an old one went."""
    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    if any(after.get(count, 0) > before.get(count, 0) for count in grown):
        return True
    return _old_pods(after) < _old_pods(before)


def _old_pods(status: Mapping[str, Any]) -> int:
    replicas: int = status.get("replicas", 0)
    updated: int = status.get("updatedReplicas", 0)
    return replicas - updated


def seconds_to_deadline(last_progress: datetime, deadline_seconds: int, now: datetime) -> float:
    """Return the seconds until a rollout counts as stuck; negative when it is."""
    return (last_progress + timedelta(seconds=deadline_seconds) - now).total_seconds()
