"""kubectl's own rules for status, restart and undo."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podready.rehearse.rollout import (
    REVISION,
    RolloutStatus,
    previous_revision,
    restart_patch,
    rollout_status,
    undo,
)


def deployment(**status: Any) -> dict[str, Any]:
    """Return a Deployment of three replicas with this status."""
    usual = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    return {
        "metadata": {"name": "web", "uid": "d", "generation": 2, "annotations": {REVISION: "3"}},
        "spec": {"replicas": 3, "template": {"spec": {}}},
        "status": {**usual, **status},
    }


STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, RolloutStatus(True, "complete")),
        ({"observedGeneration": 1}, RolloutStatus(False, "the new spec has not been seen yet")),
        ({"updatedReplicas": 1}, RolloutStatus(False, "1 of 3 new replicas have been updated")),
        ({"replicas": 4}, RolloutStatus(False, "1 old replicas are pending termination")),
        (
            {"availableReplicas": 2},
            RolloutStatus(False, "2 of 3 updated replicas are available"),
        ),
        (
            {"conditions": [STUCK]},
            RolloutStatus(False, "it exceeded its progress deadline", failed=True),
        ),
    ],
)
def test_status(status: dict[str, Any], expected: RolloutStatus) -> None:
    """The order of the questions is kubectl's."""
    assert rollout_status(deployment(**status)) == expected


def replica_set(revision: str, owner: str = "d", **annotations: str) -> dict[str, Any]:
    """Return a ReplicaSet of the Deployment with uid `owner`."""
    return {
        "metadata": {
            "name": f"web-{revision}",
            "annotations": {REVISION: revision, **annotations},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {
            "template": {
                "metadata": {"labels": {"app": "web", "pod-template-hash": "x"}},
                "spec": {"containers": [{"name": revision}]},
            }
        },
    }


def test_undo_goes_to_the_second_highest_revision() -> None:
    """Numbers, not text, are compared, and only its own ReplicaSets."""
    sets = [replica_set("10"), replica_set("9"), replica_set("2"), replica_set("11", owner="other")]
    found = previous_revision(deployment(), sets)
    assert found is not None
    assert found["metadata"]["name"] == "web-9"
    assert previous_revision(deployment(), sets[:1]) is None


def test_undo_takes_template_and_annotations() -> None:
    """The hash label is not the user's; the Deployment's own bookkeeping stays."""
    changed = deployment()
    changed["metadata"]["annotations"]["kubernetes.io/change-cause"] = "new"
    old = replica_set(
        "2", **{"kubernetes.io/change-cause": "old", "deployment.kubernetes.io/max-replicas": "4"}
    )
    undo(changed, old)
    assert changed["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert changed["spec"]["template"]["spec"] == {"containers": [{"name": "2"}]}
    assert changed["metadata"]["annotations"] == {
        REVISION: "3",
        "kubernetes.io/change-cause": "old",
    }
    assert old["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == "x"


def test_two_restarts_within_a_second_are_two() -> None:
    """kubectl refuses the second one; a rehearsal must not stand still for it."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert restart_patch(now) != restart_patch(now.replace(microsecond=1))
