"""Names, owners, conditions and paths of objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from podready.kube import meta
from podready.kube.gvk import REPLICA_SET

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 3, 5, 0, tzinfo=UTC)


def test_a_key_goes_both_ways_with_and_without_a_namespace() -> None:
    """Work queues hold `namespace/name`; cluster-wide objects have no slash."""
    pod = {"metadata": {"name": "web", "namespace": "shop"}}
    assert meta.key_of(pod) == "shop/web"
    assert meta.split_key("shop/web") == ("shop", "web")
    assert meta.split_key(meta.key_of({"metadata": {"name": "node-1"}})) == (None, "node-1")


def test_a_copy_shares_nothing() -> None:
    """Changing a copy leaves the original alone, however deep."""
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "a"}]}}
    copied = meta.copy_of(pod)
    copied["spec"]["containers"][0]["name"] = "b"
    assert pod["spec"]["containers"][0]["name"] == "a"


def test_generated_names_stay_within_a_label() -> None:
    """A long prefix is cut so that the name still fits into 63 characters."""
    name = meta.generate_name("x" * 100)
    assert len(name) == 63
    assert set(name[-5:]) <= set(meta.SUFFIX_ALPHABET)
    assert meta.generate_name("web-") != meta.generate_name("web-")


def test_the_controller_is_the_owner_that_says_so() -> None:
    """Other owners of an object do not control it."""
    owner = {"metadata": {"name": "web-1", "uid": "u1"}}
    other = {"metadata": {"name": "web-2", "uid": "u2"}}
    references = [
        meta.owner_reference(other, REPLICA_SET, controller=False),
        meta.owner_reference(owner, REPLICA_SET),
    ]
    pod = {"metadata": {"name": "p", "ownerReferences": references}}
    assert meta.is_controlled_by(pod, owner)
    assert not meta.is_controlled_by(pod, other)
    assert meta.controller_of({"metadata": {}}) is None


def test_a_condition_keeps_its_transition_time_until_its_status_changes() -> None:
    """A new reason is no transition; a new status is."""
    conditions: list[dict[str, Any]] = []
    assert meta.set_condition(conditions, {"type": "Ready", "status": "False", "reason": "A"}, NOW)
    assert meta.set_condition(
        conditions, {"type": "Ready", "status": "False", "reason": "B"}, LATER
    )
    assert conditions[0]["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert not meta.set_condition(
        conditions, {"type": "Ready", "status": "False", "reason": "B"}, LATER
    )
    assert meta.set_condition(conditions, {"type": "Ready", "status": "True"}, LATER)
    assert conditions == [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:05:00Z"}
    ]
    assert meta.is_true({"status": {"conditions": conditions}}, "Ready")
    assert meta.remove_condition(conditions, "Ready")
    assert not meta.remove_condition(conditions, "Ready")


def test_dig_stops_quietly_where_the_path_ends() -> None:
    """Missing keys, short lists, nulls and scalars on the way all give the default."""
    pod = {"spec": {"containers": [{"name": "a"}], "volumes": None}}
    assert meta.dig(pod, "spec", "containers", 0, "name") == "a"
    assert meta.dig(pod, "spec", "containers", 3, "name", default="?") == "?"
    assert meta.dig(pod, "spec", "volumes", default=[]) == []
    assert meta.dig(pod, "spec", "containers", 0, "name", "x", default=1) == 1
