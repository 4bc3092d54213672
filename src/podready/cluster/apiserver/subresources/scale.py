"""`/scale`: an autoscaling/v1 Scale as a view on a workload's replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.kube.labels import from_label_selector, to_text
from podready.kube.meta import Object, copy_of, dig
from podready.kube.status import Conflict, Invalid, StatusCause

if TYPE_CHECKING:
    from podready.kube.gvk import Resource

_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(workload: Object) -> Object:
    """Return the Scale of a Deployment or ReplicaSet."""
    meta = workload["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in _IDENTITY if name in meta},
        "spec": {"replicas": dig(workload, "spec", "replicas", default=0)},
        "status": {
            "replicas": dig(workload, "status", "replicas", default=0),
            "selector": to_text(from_label_selector(dig(workload, "spec", "selector"))),
        },
    }


def scaled(resource: Resource, workload: Object, scale: Object) -> Object:
    """Return the workload with the replicas of a Scale; Conflict when that one is stale."""
    name = workload["metadata"]["name"]
    version = dig(scale, "metadata", "resourceVersion")
    if version and version != workload["metadata"]["resourceVersion"]:
        raise Conflict.of(resource, name)
    replicas = dig(scale, "spec", "replicas", default=0)
    if not isinstance(replicas, int) or replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise Invalid.of(resource, name, [StatusCause("FieldValueInvalid", text, "spec.replicas")])
    changed = copy_of(workload)
    changed["spec"]["replicas"] = replicas
    return changed
