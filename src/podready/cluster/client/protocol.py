"""`Client`: the interface of the API server for every other part of the cluster.

Controllers, scheduler, kubelet and proxy hold a `Client` and nothing else of the API server,
so each of them could run against a real one. `InProcessClient` calls the API server of the
same process without sockets; the tests have a second client, over HTTP.

Objects are plain dicts in Kubernetes' own JSON form. What a client returns belongs to the
caller: changing it changes nothing else.
Errors are `podready.kube.status.ApiError` and its subclasses (NotFound, AlreadyExists,
Conflict, Gone, Invalid, …).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from podready.kube.gvk import Resource

Object = dict[str, Any]


class PatchType(StrEnum):
    """The media types of PATCH bodies."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class ObjectList:
    """The answer to a list: the items, and the version from which a watch may go on."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event of a watch: ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: Object


class Client(Protocol):
    """The verbs of the Kubernetes API.

    `namespace` is None for cluster-wide kinds and for lists of all namespaces.
    """

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """Return the object, or raise NotFound."""

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList:
        """Return all matching objects and the list's resourceVersion."""

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Yield what happened strictly after `resource_version`; Gone when that is too old."""

    async def create(
        self, resource: Resource, namespace: str | None, obj: Object, *, subresource: str = ""
    ) -> Object:
        """Create the object (or POST to a subresource) and return what was stored."""

    async def update(
        self, resource: Resource, namespace: str | None, obj: Object, *, subresource: str = ""
    ) -> Object:
        """Replace the object, or its `status` or `scale`; Conflict when it is stale."""

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        patch_type: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        """Apply the patch and return what was stored."""

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        propagation: str | None = None,
    ) -> None:
        """Delete the object, gracefully where it is a pod; `uid` is a precondition."""
