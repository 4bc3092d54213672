"""Pods as workload controllers see them: availability, deletion order, template identity."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.kube.gvk import REPLICA_SET
from podready.kube.meta import Object, owner_reference
from podready.kube.times import rfc3339
from podready.kube.workloads import (
    DELETION_COST,
    POD_TEMPLATE_HASH,
    deletion_order,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    pod_from_template,
    pod_template_hash,
    ready_since,
    same_template,
    seconds_to_available,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def make_pod(
    name: str,
    *,
    phase: str = "Running",
    ready_for: float | None = 100,
    age: float = 200,
    node: str = "node",
    restarts: int = 0,
    cost: str | None = None,
) -> Object:
    """Return a pod that is `age` seconds old and has been ready for `ready_for` seconds."""
    since = NOW - timedelta(seconds=ready_for or 0)
    status = "False" if ready_for is None else "True"
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": rfc3339(NOW - timedelta(seconds=age)),
            "annotations": {} if cost is None else {DELETION_COST: cost},
        },
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": [
                {"type": "Ready", "status": status, "lastTransitionTime": rfc3339(since)}
            ],
            "containerStatuses": [{"name": "web", "restartCount": restarts}],
        },
    }


@pytest.mark.parametrize(
    ("phase", "deleted", "active"),
    [
        ("Pending", False, True),
        ("Running", False, True),
        ("Running", True, False),
        ("Succeeded", False, False),
        ("Failed", False, False),
    ],
)
def test_active(phase: str, deleted: bool, active: bool) -> None:
    """A ReplicaSet counts pods that are neither deleted nor ended."""
    pod = make_pod("a", phase=phase)
    if deleted:
        pod["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    assert is_active(pod) is active
    assert is_terminal(pod) is (phase in {"Succeeded", "Failed"})


@pytest.mark.parametrize(
    ("ready_for", "min_ready", "left"),
    [(None, 0, None), (0, 0, 0.0), (3, 10, 7.0), (10, 10, 0.0), (11, 10, 0.0), (None, 10, None)],
)
def test_available_after_min_ready_seconds(
    ready_for: float | None, min_ready: int, left: float | None
) -> None:
    """Ready is available at once without minReadySeconds, else after that long."""
    pod = make_pod("a", ready_for=ready_for)
    assert seconds_to_available(pod, min_ready, NOW) == left
    assert is_available(pod, min_ready, NOW) is (left == 0.0)


def test_a_new_pod_is_not_ready() -> None:
    """A pod without a status has no Ready condition and no time since when."""
    pod = {"metadata": {"name": "a"}, "spec": {}}
    assert not is_ready(pod)
    assert ready_since(pod) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"node": "", "ready_for": None}, {"ready_for": None}),
        ({"phase": "Pending", "ready_for": None}, {"phase": "Unknown", "ready_for": None}),
        ({"phase": "Unknown", "ready_for": None}, {"ready_for": None}),
        ({"ready_for": None}, {"ready_for": 1}),
        ({"cost": "-5"}, {}),
        ({"cost": "malformed"}, {"cost": "1"}),
        ({"ready_for": 1}, {"ready_for": 1000}),
        ({"restarts": 2}, {"restarts": 1}),
        ({"age": 150}, {"age": 1500}),
        ({"ready_for": None, "restarts": 9, "cost": "7"}, {"ready_for": 5, "cost": "-7"}),
    ],
)
def test_deletion_order(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Section by section: the less useful pod goes first, whatever its name."""
    for names in ("ab", "ba"):
        pods = [make_pod(names[0], **first), make_pod(names[1], **second)]
        order = [pod["metadata"]["name"] for pod in deletion_order(pods[::-1], pods, NOW)]
        assert order == list(names)


def test_pods_of_about_the_same_age_go_by_uid() -> None:
    """9 and 12 seconds are one power of two: the uid decides, not the second."""
    pods = [make_pod("b", ready_for=9), make_pod("a", ready_for=12)]
    assert [p["metadata"]["name"] for p in deletion_order(pods, pods, NOW)] == ["a", "b"]


def test_crowded_node_goes_first() -> None:
    """Of equal pods, the one on the node with more pods of the same Deployment goes."""
    mine = [make_pod("a", node="roomy"), make_pod("b", node="crowded")]
    related = [*mine, make_pod("other-revision", node="crowded")]
    assert [p["metadata"]["name"] for p in deletion_order(mine, related, NOW)] == ["b", "a"]


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no failure
@given(st.randoms(use_true_random=False))
def test_deletion_order_does_not_depend_on_the_input(shuffle: random.Random) -> None:
    """The order is one and the same however the cache hands the pods out."""
    pods = [
        make_pod("a", ready_for=None),
        make_pod("b", ready_for=4),
        make_pod("c", ready_for=5),
        make_pod("d", ready_for=90, restarts=1),
        make_pod("e", ready_for=90),
        make_pod("f", node="", phase="Pending", ready_for=None),
    ]
    expected = deletion_order(pods, pods, NOW)
    shuffle.shuffle(pods)
    assert deletion_order(pods, pods, NOW) == expected


TEMPLATE: Object = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:1"}], "volumes": [{"emptyDir": {}}]},
}


def test_same_template_ignores_hash_and_nothings() -> None:
    """The hash label, nulls and empty lists or maps make no other pod; an emptyDir does."""
    other = {
        "metadata": {
            "labels": {"app": "web", POD_TEMPLATE_HASH: "abc"},
            "annotations": {},
            "creationTimestamp": None,
        },
        "spec": {**TEMPLATE["spec"], "nodeSelector": {}, "tolerations": [], "hostname": None},
    }
    assert same_template(TEMPLATE, other)
    assert pod_template_hash(TEMPLATE) == pod_template_hash(other)
    changed = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "volumes": [{}]}}
    assert not same_template(TEMPLATE, changed)


def test_hash_is_a_name_and_changes_with_template_and_collision() -> None:
    """At most ten safe letters, the same each time, another for another image or collision."""
    first = pod_template_hash(TEMPLATE)
    assert first == pod_template_hash(TEMPLATE)
    assert len(first) <= 10
    assert set(first) <= set("bcdfghjklmnpqrstvwxz2456789")
    newer = {**TEMPLATE, "spec": {"containers": [{"name": "web", "image": "web:2"}]}}
    assert len({first, pod_template_hash(newer), pod_template_hash(TEMPLATE, 1)}) == 3


def test_pod_from_template() -> None:
    """The pod has the template's labels and spec, a name prefix and its one controller."""
    owner = owner_reference({"metadata": {"name": "web-1", "uid": "u"}}, REPLICA_SET)
    pod = pod_from_template(TEMPLATE, "web-1-", owner)
    assert pod["metadata"]["labels"] == {"app": "web"}
    assert pod["metadata"]["generateName"] == "web-1-"
    assert pod["metadata"]["ownerReferences"] == [owner]
    assert pod["spec"] == TEMPLATE["spec"]
    pod["spec"]["containers"][0]["image"] = "other"
    assert TEMPLATE["spec"]["containers"][0]["image"] == "web:1"
