"""Which ReplicaSet is the new one, and the annotations that number and measure them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podready.kube.gvk import DEPLOYMENT
from podready.kube.meta import Object, annotations_of, labels_of, name_of, owner_reference
from podready.kube.rollout import Bounds, ReplicaCount
from podready.kube.workloads import POD_TEMPLATE_HASH, pod_template_hash, same_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_NOT_COPIED = frozenset({REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, LAST_APPLIED})
"""Annotations that a ReplicaSet has on its own account."""

_HISTORY_CHARACTERS = 2000
"""Longest revision history kept in the annotation (maxRevHistoryLengthInChars)."""


@dataclass(slots=True)
class Rollout:
    """A Deployment (our own copy) and its ReplicaSets as they are now, oldest first."""

    deployment: Object
    new: Object | None
    old: list[Object] = field(default_factory=list)

    @classmethod
    def of(cls, deployment: Object, sets: Iterable[Object]) -> Rollout:
        """Find the new one: the oldest whose template is the Deployment's."""
        ordered = sorted(sets, key=_age)
        template = deployment["spec"]["template"]
        new = next((rs for rs in ordered if same_template(rs["spec"]["template"], template)), None)
        return cls(deployment, new, [rs for rs in ordered if rs is not new])

    @property
    def sets(self) -> list[Object]:
        """Return all ReplicaSets, the new one last."""
        return [*self.old, self.new] if self.new else list(self.old)

    @property
    def active(self) -> list[Object]:
        """Return those that should have pods."""
        return [rs for rs in self.sets if rs["spec"].get("replicas", 1) > 0]

    def put(self, rs: Object) -> None:
        """Take over the newer state of one of the ReplicaSets."""
        name = name_of(rs)
        if self.new is not None and name_of(self.new) == name:
            self.new = rs
        else:
            self.old = [rs if name_of(old) == name else old for old in self.old]


def _age(rs: Object) -> tuple[str, str]:
    return (rs["metadata"].get("creationTimestamp", ""), name_of(rs))


def count_of(rs: Object) -> ReplicaCount:
    """Return the ReplicaSet's size as the rollout arithmetic wants it.

    `available` is what the status says, which lags a scaling by some milliseconds. Kubernetes
    has the same blind moment: undoing a rollout within it may cost one available pod more.
    """
    return ReplicaCount(
        name=name_of(rs),
        replicas=rs["spec"].get("replicas", 1),
        available=(rs.get("status") or {}).get("availableReplicas", 0),
        created=rs["metadata"].get("creationTimestamp", ""),
        max_replicas=_number(annotations_of(rs).get(MAX_REPLICAS)) or None,
    )


def revision_of(obj: Object) -> int:
    """Return the revision annotation as a number; 0 when it is missing or malformed."""
    return _number(annotations_of(obj).get(REVISION))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def next_revision(old: Sequence[Object]) -> int:
    """Return the number of the new ReplicaSet: one more than any old one has."""
    return max((revision_of(rs) for rs in old), default=0) + 1


def size_annotations(bounds: Bounds) -> dict[str, str]:
    """Return the annotations with the Deployment's size, for proportional scaling."""
    return {DESIRED_REPLICAS: str(bounds.replicas), MAX_REPLICAS: str(bounds.most)}


def new_annotations(deployment: Object, existing: Object | None, revision: int) -> dict[str, str]:
    """Return the new ReplicaSet's annotations: the Deployment's (change-cause …) and its number.

    When an old ReplicaSet becomes the new one again (a rollback), its number goes up and the one
    it had is kept in the history.
    """
    before = annotations_of(existing) if existing else {}
    copied = {k: v for k, v in annotations_of(deployment).items() if k not in _NOT_COPIED}
    result = {**before, **copied}
    had = _number(before.get(REVISION))
    if had < revision:
        result[REVISION] = str(revision)
        if had:
            result[REVISION_HISTORY] = _longer_history(before.get(REVISION_HISTORY, ""), had)
    return result


def _longer_history(history: str, revision: int) -> str:
    """Return the history with one more revision, without its oldest ones when too long."""
    numbers = [*filter(None, history.split(",")), str(revision)]
    while len(",".join(numbers)) > _HISTORY_CHARACTERS:
        numbers.pop(0)
    return ",".join(numbers)


def new_replica_set(deployment: Object, replicas: int, annotations: dict[str, str]) -> Object:
    """Return the ReplicaSet of the Deployment's present template, to be created."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    template = spec["template"]
    suffix = pod_template_hash(template, status.get("collisionCount", 0))
    labels = {**labels_of(template), POD_TEMPLATE_HASH: suffix}
    selector = dict(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), POD_TEMPLATE_HASH: suffix}
    return {
        "metadata": {
            "name": f"{name_of(deployment)}-{suffix}",
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(deployment, DEPLOYMENT)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": selector,
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }
