"""What every Kubernetes object carries: names, owners, conditions; pure functions over dicts."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import orjson

from podready.kube.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from podready.kube.gvk import Resource

Object = dict[str, Any]
"""An object in Kubernetes' own JSON form."""

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated names: no vowels and no look-alikes (k8s.io/apimachinery/util/rand)."""

SUFFIX_LENGTH = 5
_GENERATED_PREFIX_MAX = 63 - SUFFIX_LENGTH


def copy_of(obj: Object) -> Object:
    """Return a deep copy that shares nothing with `obj` (JSON values only)."""
    copied: Object = orjson.loads(orjson.dumps(obj))
    return copied


def metadata(obj: Object) -> Object:
    """Return the object's metadata, made when it was missing."""
    found: Object = obj.setdefault("metadata", {})
    return found


def name_of(obj: Object) -> str:
    """Return metadata.name, or the empty string."""
    return str(obj.get("metadata", {}).get("name") or "")


def namespace_of(obj: Object) -> str | None:
    """Return metadata.namespace, or None for cluster-wide objects."""
    return obj.get("metadata", {}).get("namespace") or None


def uid_of(obj: Object) -> str:
    """Return metadata.uid, or the empty string."""
    return str(obj.get("metadata", {}).get("uid") or "")


def resource_version_of(obj: Object) -> str:
    """Return metadata.resourceVersion, or the empty string."""
    return str(obj.get("metadata", {}).get("resourceVersion") or "")


def labels_of(obj: Object) -> dict[str, str]:
    """Return metadata.labels; an empty mapping when there are none."""
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    """Return metadata.annotations; an empty mapping when there are none."""
    return obj.get("metadata", {}).get("annotations") or {}


def is_deleting(obj: Object) -> bool:
    """Whether the object is marked for deletion."""
    return bool(obj.get("metadata", {}).get("deletionTimestamp"))


def key_of(obj: Object) -> str:
    """Return `namespace/name`, or `name` for cluster-wide objects: the key of work queues."""
    return key(namespace_of(obj), name_of(obj))


def key(namespace: str | None, name: str) -> str:
    """Return `namespace/name`, or `name` without a namespace."""
    return f"{namespace}/{name}" if namespace else name


def split_key(text: str) -> tuple[str | None, str]:
    """Return (namespace, name) of a key."""
    namespace, _, name = text.rpartition("/")
    return namespace or None, name


def new_uid() -> str:
    """Return a fresh UID."""
    return str(uuid.uuid4())


def name_suffix(length: int = SUFFIX_LENGTH) -> str:
    """Return the random end of a generated name."""
    return "".join(random.choices(SUFFIX_ALPHABET, k=length))  # noqa: S311 - a name, not a secret


def generate_name(prefix: str) -> str:
    """Return `prefix` and five random letters, at most 63 characters, as the API server does."""
    return prefix[:_GENERATED_PREFIX_MAX] + name_suffix()


# -- owners ---------------------------------------------------------------------------------


def owner_reference(owner: Object, resource: Resource, *, controller: bool = True) -> Object:
    """Return the ownerReference that makes `owner` (of `resource`) the controller of an object."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def owners_of(obj: Object) -> list[Object]:
    """Return metadata.ownerReferences."""
    return obj.get("metadata", {}).get("ownerReferences") or []


def controller_of(obj: Object) -> Object | None:
    """Return the ownerReference with `controller: true`, if any."""
    return next((owner for owner in owners_of(obj) if owner.get("controller")), None)


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Whether `owner` (by UID) is the controller of `obj`."""
    found = controller_of(obj)
    return found is not None and found.get("uid") == uid_of(owner)


def object_reference(obj: Object, field_path: str = "") -> Object:
    """Return the ObjectReference that events and bindings use for `obj`."""
    reference = {
        "apiVersion": obj.get("apiVersion"),
        "kind": obj.get("kind"),
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "uid": uid_of(obj),
        "resourceVersion": resource_version_of(obj),
        "fieldPath": field_path,
    }
    return {name: value for name, value in reference.items() if value}


# -- conditions -----------------------------------------------------------------------------


def conditions_of(obj: Object) -> list[Object]:
    """Return status.conditions."""
    return obj.get("status", {}).get("conditions") or []


def get_condition(obj: Object, kind: str) -> Object | None:
    """Return the condition of this type, if any."""
    return next((c for c in conditions_of(obj) if c.get("type") == kind), None)


def is_true(obj: Object, kind: str) -> bool:
    """Whether the condition of this type is there and "True"."""
    found = get_condition(obj, kind)
    return found is not None and found.get("status") == "True"


def set_condition(conditions: list[Object], condition: Mapping[str, Any], now: datetime) -> bool:
    """Put `condition` into the list by its type; return whether anything changed.

    lastTransitionTime moves only when the status does, as Kubernetes' API conventions ask.
    """
    wanted = dict(condition)
    found = next((c for c in conditions if c.get("type") == wanted["type"]), None)
    if found is None:
        conditions.append(wanted | {"lastTransitionTime": rfc3339(now)})
        return True
    if found.get("status") == wanted.get("status"):
        wanted["lastTransitionTime"] = found.get("lastTransitionTime") or rfc3339(now)
    else:
        wanted["lastTransitionTime"] = rfc3339(now)
    if found == wanted:
        return False
    found.clear()
    found.update(wanted)
    return True


def remove_condition(conditions: list[Object], kind: str) -> bool:
    """Take the condition of this type out of the list; return whether it was there."""
    kept = [c for c in conditions if c.get("type") != kind]
    changed = len(kept) != len(conditions)
    conditions[:] = kept
    return changed


# -- paths ----------------------------------------------------------------------------------


def dig(obj: Any, *path: str | int, default: Any = None) -> Any:
    """Return the value at a path of keys and indexes, or `default` where the path ends early."""
    for step in path:
        try:
            obj = obj[step]
        except (KeyError, IndexError, TypeError):
            return default
    return default if obj is None else obj


def without(obj: Mapping[str, Any], names: Iterable[str]) -> Object:
    """Return a shallow copy that lacks the named keys."""
    left_out = frozenset(names)
    return {name: value for name, value in obj.items() if name not in left_out}
