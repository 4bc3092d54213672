"""What `kubectl rollout` does, as pure functions: status, restart, undo.

The rules are those of kubectl's polymorphichelpers (rollout_status.go, objectrestarter.go,
rollback.go), so a rehearsed rollout is the one that people run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from podready.kube.meta import annotations_of, copy_of, dig, get_condition, is_controlled_by

Object = dict[str, Any]

REVISION: Final = "deployment.kubernetes.io/revision"
RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
HASH_LABEL: Final = "pod-template-hash"

_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)
"""Annotations that stay the Deployment's own in an undo (annotationsToSkip of rollback.go)."""


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """The state of a rollout: done, failed for good, or what it waits for."""

    done: bool
    message: str
    failed: bool = False


def rollout_status(deployment: Object) -> RolloutStatus:
    """Return what `kubectl rollout status` would say."""
    status = deployment.get("status") or {}
    if deployment["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return RolloutStatus(False, "the new spec has not been seen yet")
    progressing = get_condition(deployment, "Progressing")
    if progressing and progressing.get("reason") == "ProgressDeadlineExceeded":
        return RolloutStatus(False, "it exceeded its progress deadline", failed=True)
    wanted = dig(deployment, "spec", "replicas", default=1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted:
        return RolloutStatus(False, f"{updated} of {wanted} new replicas have been updated")
    if total > updated:
        return RolloutStatus(False, f"{total - updated} old replicas are pending termination")
    if available < updated:
        return RolloutStatus(False, f"{available} of {updated} updated replicas are available")
    return RolloutStatus(True, "complete")


def restart_patch(now: datetime) -> Object:
    """Return the strategic merge patch that makes new pods of the same template.

    kubectl writes whole seconds; the fraction keeps two restarts within one second apart.
    """
    annotations = {RESTARTED_AT: now.isoformat()}
    return {"spec": {"template": {"metadata": {"annotations": annotations}}}}


def previous_revision(deployment: Object, replica_sets: Sequence[Object]) -> Object | None:
    """Return the ReplicaSet of the revision before the present one; None when there is none."""
    owned = [rs for rs in replica_sets if is_controlled_by(rs, deployment) and revision_of(rs) > 0]
    owned.sort(key=revision_of)
    return owned[-2] if len(owned) > 1 else None


def revision_of(obj: Object) -> int:
    """Return the revision number of a Deployment or ReplicaSet, 0 when it has none."""
    text = annotations_of(obj).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def undo(deployment: Object, replica_set: Object) -> None:
    """Change the Deployment to the template and annotations of an older ReplicaSet."""
    template = copy_of(replica_set["spec"]["template"])
    (dig(template, "metadata", "labels") or {}).pop(HASH_LABEL, None)
    kept = {k: v for k, v in annotations_of(deployment).items() if k in _NOT_COPIED}
    old = {k: v for k, v in annotations_of(replica_set).items() if k not in _NOT_COPIED}
    deployment["spec"]["template"] = template
    deployment["metadata"]["annotations"] = {**kept, **old}
