"""What a DELETE does: remove now, or mark and wait (graceful pods, finalizers, namespaces).

After k8s.io/apiserver/pkg/registry/rest/delete.go and pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from podready.cluster.apiserver.strategy import bumped
from podready.kube.defaults import TERMINATION_GRACE_SECONDS
from podready.kube.gvk import NAMESPACE, POD, Resource
from podready.kube.meta import Object, copy_of, dig, is_deleting, resource_version_of, uid_of
from podready.kube.status import Conflict
from podready.kube.times import parse_time, rfc3339

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a client may ask of a DELETE; None means the kind's own default."""

    grace_period_seconds: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    propagation: str | None = None
    dry_run: bool = False


def check_preconditions(resource: Resource, obj: Object, options: DeleteOptions) -> None:
    """Raise Conflict when the object is not the one the client means."""
    wanted_and_found = (
        ("UID", options.uid, uid_of(obj)),
        ("ResourceVersion", options.resource_version, resource_version_of(obj)),
    )
    for field, wanted, found in wanted_and_found:
        if wanted and wanted != found:
            raise Conflict.of(resource, obj["metadata"]["name"], unmet(field, wanted, found))


def unmet(field: str, wanted: str, found: str) -> str:
    """Return Kubernetes' sentence for a precondition that does not hold."""
    return (
        f"Precondition failed: {field} in precondition: {wanted}, {field} in object meta: {found}"
    )


def mark_deleted(
    resource: Resource, obj: Object, options: DeleteOptions, now: datetime
) -> Object | None:
    """Return the object as it must be stored to die later, or None when it goes at once."""
    marked = copy_of(obj)
    _set_finalizers(marked, options.propagation)
    grace = _grace(resource, obj, options)
    if is_deleting(obj):
        _shorten(marked, grace if options.grace_period_seconds is not None else None)
    elif grace or is_held(resource, marked):
        _mark(resource, marked, grace, now)
    if is_held(resource, marked) or dig(marked, "metadata", "deletionGracePeriodSeconds"):
        return marked
    return None


def is_held(resource: Resource, obj: Object) -> bool:
    """Whether finalizers keep the object (a namespace has its own in spec)."""
    in_spec = resource == NAMESPACE and dig(obj, "spec", "finalizers", default=[])
    return bool(obj["metadata"].get("finalizers") or in_spec)


def is_finished(resource: Resource, obj: Object) -> bool:
    """Whether an object marked for deletion has nothing left to wait for."""
    grace = obj["metadata"].get("deletionGracePeriodSeconds")
    return is_deleting(obj) and not grace and not is_held(resource, obj)


def _grace(resource: Resource, obj: Object, options: DeleteOptions) -> int:
    """Return the seconds a pod gets; nothing else is graceful.

    A pod that was never scheduled or has ended needs no grace period.
    """
    if resource != POD or not dig(obj, "spec", "nodeName"):
        return 0
    if dig(obj, "status", "phase") in _TERMINAL:
        return 0
    if options.grace_period_seconds is not None:
        return max(0, options.grace_period_seconds)
    return int(dig(obj, "spec", "terminationGracePeriodSeconds", default=TERMINATION_GRACE_SECONDS))


def _set_finalizers(obj: Object, propagation: str | None) -> None:
    """Foreground waits for dependents, Orphan lets them go; both are the garbage collector's."""
    if propagation is None:
        return
    wanted = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(propagation, [])
    kept = [f for f in obj["metadata"].get("finalizers") or () if f not in (FOREGROUND, ORPHAN)]
    obj["metadata"]["finalizers"] = kept + wanted
    if not obj["metadata"]["finalizers"]:
        del obj["metadata"]["finalizers"]


def _mark(resource: Resource, obj: Object, grace: int, now: datetime) -> None:
    meta = obj["metadata"]
    meta["deletionTimestamp"] = rfc3339(now + timedelta(seconds=grace))
    meta["deletionGracePeriodSeconds"] = grace
    if "generation" in meta:
        meta["generation"] = bumped(obj)
    if resource == NAMESPACE:
        obj["status"] = (obj.get("status") or {}) | {"phase": "Terminating"}


def _shorten(obj: Object, grace: int | None) -> None:
    """A later delete may shorten the grace period, never lengthen it."""
    meta = obj["metadata"]
    before = meta.get("deletionGracePeriodSeconds") or 0
    if grace is None or grace >= before:
        return
    moment = parse_time(meta["deletionTimestamp"]) - timedelta(seconds=before - grace)
    meta.update(deletionTimestamp=rfc3339(moment), deletionGracePeriodSeconds=grace)
