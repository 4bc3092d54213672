"""`pods/x/eviction`: a polite DELETE (PodDisruptionBudgets are not served yet, so none objects)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.apiserver.deletion import DeleteOptions
from podready.kube.meta import Object, copy_of, dig, is_deleting, set_condition

if TYPE_CHECKING:
    from datetime import datetime

_TERMINAL = ("Succeeded", "Failed")


def options_of(eviction: Object) -> DeleteOptions:
    """Return the delete options that an Eviction carries."""
    wanted = eviction.get("deleteOptions") or {}
    return DeleteOptions(
        grace_period_seconds=wanted.get("gracePeriodSeconds"),
        uid=dig(wanted, "preconditions", "uid"),
        resource_version=dig(wanted, "preconditions", "resourceVersion"),
        dry_run=bool(wanted.get("dryRun")),
    )


def disrupted(pod: Object, now: datetime) -> Object | None:
    """Return the pod with DisruptionTarget set, or None when it is dying or has ended anyway."""
    if is_deleting(pod) or dig(pod, "status", "phase") in _TERMINAL:
        return None
    changed = copy_of(pod)
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    set_condition(changed["status"].setdefault("conditions", []), condition, now)
    return changed
