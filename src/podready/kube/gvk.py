"""Kinds and resources: what the API calls things, and where each has its path."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object and its REST resource, as discovery would describe it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """Return `version`, or `group/version` outside the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def base_path(self) -> str:
        """Return `/api/v1` or `/apis/<group>/<version>`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def singular(self) -> str:
        """Return the lower-case kind, which kubectl accepts as a name."""
        return self.kind.lower()

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Return the REST path of the collection, the object or its subresource."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{self.base_path}{scope}/{self.plural}{tail}"


_ALL = ("all",)

NAMESPACE = Resource("", "v1", "Namespace", "namespaces", False, ("ns",), ("status", "finalize"))
NODE = Resource("", "v1", "Node", "nodes", False, ("no",), ("status",))
POD = Resource(
    "", "v1", "Pod", "pods", True, ("po",), ("status", "log", "binding", "eviction"), _ALL
)
SERVICE = Resource("", "v1", "Service", "services", True, ("svc",), ("status",), _ALL)
CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps", True, ("cm",))
SECRET = Resource("", "v1", "Secret", "secrets")
EVENT = Resource("", "v1", "Event", "events", True, ("ev",))
DEPLOYMENT = Resource(
    "apps", "v1", "Deployment", "deployments", True, ("deploy",), ("status", "scale"), _ALL
)
REPLICA_SET = Resource(
    "apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), ("status", "scale"), _ALL
)
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")

RESOURCES: tuple[Resource, ...] = (
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
    CONFIG_MAP,
    SECRET,
    EVENT,
    DEPLOYMENT,
    REPLICA_SET,
    ENDPOINT_SLICE,
)

_BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES}


def resource_of(api_version: str, kind: str) -> Resource | None:
    """Return the resource of an object's apiVersion and kind, or None when it is not served."""
    return _BY_KIND.get((api_version, kind))
