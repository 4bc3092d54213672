"""What a request is about: resource, namespace, name, subresource, verb, from its path."""

from __future__ import annotations

from dataclasses import dataclass

from podready.kube.gvk import NAMESPACE, RESOURCES, Resource
from podready.kube.status import MethodNotAllowed, NotFound

_BY_PATH = {(resource.base_path, resource.plural): resource for resource in RESOURCES}
_NO_SUCH = "the server could not find the requested resource"
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_SUBRESOURCE_VERBS: dict[str, dict[str, str]] = {
    "status": {"GET": "get", "PUT": "update", "PATCH": "patch"},
    "scale": {"GET": "get", "PUT": "update", "PATCH": "patch"},
    "finalize": {"PUT": "update"},
    "binding": {"POST": "create"},
    "eviction": {"POST": "create"},
    "log": {"GET": "get"},
}
_NOT_YET = ("attach", "ephemeralcontainers", "exec", "portforward", "proxy")


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """One request on a resource; `name` is empty for collections."""

    resource: Resource
    namespace: str | None
    name: str
    subresource: str
    verb: str


def request_info(method: str, path: str) -> RequestInfo:
    """Return what the request is about; NotFound or MethodNotAllowed for anything else."""
    base, rest = _split(path)
    namespace: str | None = None
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in NAMESPACE.subresources:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    resource = _BY_PATH.get((base, plural))
    if resource is None or len(rest) > 3 or not _scoped(resource, namespace, name):
        raise NotFound(_NO_SUCH)
    verb = _verb(method, resource, name, subresource)
    if resource.namespaced and namespace is None and verb != "list":
        raise MethodNotAllowed(f"{plural} are namespaced: name the namespace to {verb} one")
    return RequestInfo(resource, namespace, name, subresource, verb)


def _split(path: str) -> tuple[str, list[str]]:
    """Return (`/api/v1` or `/apis/<group>/<version>`, the segments after it)."""
    parts = [part for part in path.split("/") if part]
    length = 2 if parts[:1] == ["api"] else 3
    return "/" + "/".join(parts[:length]), parts[length:]


def _scoped(resource: Resource, namespace: str | None, name: str) -> bool:
    """Namespaced objects have a namespace in their path, others have none."""
    return not (namespace and not resource.namespaced) and not (
        name and resource.namespaced and not namespace
    )


def _verb(method: str, resource: Resource, name: str, subresource: str) -> str:
    if not subresource:
        table = _OBJECT_VERBS if name else _COLLECTION_VERBS
    elif subresource in resource.subresources:
        table = _SUBRESOURCE_VERBS[subresource]
    else:
        why = f"{resource.plural}/{subresource} is not served by podready's cluster"
        raise NotFound(why if subresource in _NOT_YET else _NO_SUCH)
    if method not in table:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    return table[method]
