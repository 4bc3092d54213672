"""`pods/x/binding`: the scheduler binds a pod to a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.kube.gvk import POD
from podready.kube.meta import Object, copy_of, dig, is_deleting, set_condition
from podready.kube.status import BadRequest, Conflict

if TYPE_CHECKING:
    from datetime import datetime


def bound(pod: Object, binding: Object, now: datetime) -> Object:
    """Return the pod on its node, with PodScheduled true; Conflict if it has one or is dying."""
    name, node = pod["metadata"]["name"], dig(binding, "target", "name")
    if not node:
        raise BadRequest("target.name: Required value")
    if is_deleting(pod):
        raise Conflict.of(POD, name, f"pod {name} is being deleted, cannot be assigned to a host")
    current = dig(pod, "spec", "nodeName")
    if current:
        raise Conflict.of(POD, name, f'pod {name} is already assigned to node "{current}"')
    changed = copy_of(pod)
    changed["spec"]["nodeName"] = node
    conditions = changed["status"].setdefault("conditions", [])
    set_condition(conditions, {"type": "PodScheduled", "status": "True"}, now)
    return changed
