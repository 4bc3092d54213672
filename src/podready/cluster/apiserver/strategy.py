"""What the API server itself writes into an object, kind by kind, before it is stored."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from podready.kube.defaults import apply_defaults
from podready.kube.gvk import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    Resource,
)
from podready.kube.meta import Object, dig, generate_name, metadata, new_uid, without
from podready.kube.qos import qos_class
from podready.kube.status import BadRequest, Invalid
from podready.kube.times import rfc3339
from podready.kube.validation import FieldError, validate, validate_update

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_COUNTS_GENERATIONS = (DEPLOYMENT, REPLICA_SET, POD, ENDPOINT_SLICE)
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
)


def prepare_for_create(
    resource: Resource, namespace: str | None, obj: Object, now: datetime
) -> None:
    """Complete a new object in place: identity, defaults, first status; Invalid when wrong."""
    _settle_identity(resource, namespace, obj)
    meta = metadata(obj)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = generate_name(meta["generateName"])
    for name in (*_SERVER_OWNED, "managedFields", "selfLink"):
        meta.pop(name, None)
    meta.update(uid=new_uid(), creationTimestamp=rfc3339(now))
    if resource in _COUNTS_GENERATIONS:
        meta["generation"] = 1
    _convert(resource, obj)
    apply_defaults(obj)
    _refuse(resource, obj, validate(resource, obj))
    if "status" in resource.subresources and resource != NODE:  # a kubelet registers with a status
        obj["status"] = _FIRST_STATUS.get(resource, _empty_status)(obj)


def prepare_for_update(resource: Resource, new: Object, old: Object) -> None:
    """Complete a replacement in place: what the server owns stays; Invalid when it is wrong."""
    _settle_identity(resource, old["metadata"].get("namespace"), new)
    _keep_server_owned(new, old)
    if "status" in resource.subresources:
        new["status"] = old.get("status", {})
    _convert(resource, new)
    apply_defaults(new)
    if resource in _COUNTS_GENERATIONS and _content(new) != _content(old):
        metadata(new)["generation"] = old["metadata"].get("generation", 0) + 1
    _refuse(resource, new, [*validate(resource, new), *validate_update(resource, new, old)])


def prepare_for_status(new: Object, old: Object) -> Object:
    """Return `old` with the status of `new`; a status write changes nothing else."""
    return old | {"status": new.get("status") or {}, "metadata": dict(old["metadata"])}


def _settle_identity(resource: Resource, namespace: str | None, obj: Object) -> None:
    for field, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if obj.setdefault(field, wanted) != wanted:
            raise BadRequest(
                f"the {field} in the data ({obj[field]}) does not match the expected {wanted}"
            )
    meta = metadata(obj)
    if not resource.namespaced:
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", namespace) != namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _keep_server_owned(new: Object, old: Object) -> None:
    meta, before = metadata(new), old["metadata"]
    meta.pop("managedFields", None)
    meta.pop("selfLink", None)
    for name in _SERVER_OWNED:
        if name in before:
            meta[name] = before[name]
        else:
            meta.pop(name, None)
    if "generateName" in before:
        meta.setdefault("generateName", before["generateName"])


def _convert(resource: Resource, obj: Object) -> None:
    """Turn a Secret's write-only stringData into data, as the API server does."""
    if resource == SECRET:
        plain = obj.pop("stringData", None) or {}
        for key, text in plain.items():
            encoded = base64.b64encode(str(text).encode()).decode()
            obj.setdefault("data", {})[key] = encoded


def _refuse(resource: Resource, obj: Object, errors: list[FieldError]) -> None:
    if errors:
        name = obj["metadata"].get("name") or ""
        raise Invalid.of(resource, name, [error.cause() for error in errors])


def _content(obj: Object) -> Object:
    return without(obj, ("metadata", "status"))


def _empty_status(_: Object) -> Object:
    return {}


def _pod_status(pod: Object) -> Object:
    return {"phase": "Pending", "qosClass": qos_class(pod["spec"])}


def _namespace_status(_: Object) -> Object:
    return {"phase": "Active"}


def _replica_set_status(_: Object) -> Object:
    return {"replicas": 0}


def _service_status(_: Object) -> Object:
    return {"loadBalancer": {}}


_FIRST_STATUS: dict[Resource, Callable[[Object], Object]] = {
    POD: _pod_status,
    NAMESPACE: _namespace_status,
    REPLICA_SET: _replica_set_status,
    SERVICE: _service_status,
}


def bumped(obj: Object) -> int:
    """Return the generation after a change of the object's wanted state."""
    return int(dig(obj, "metadata", "generation", default=0)) + 1
