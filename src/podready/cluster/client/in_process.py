"""The client for parts that live in the API server's own process: no sockets, no JSON text.

The one file of `client` that imports the API server. Objects are
copied on their way out, so a caller may do with them what it likes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from podready.cluster.apiserver.deletion import DeleteOptions
from podready.cluster.apiserver.watching import Selection
from podready.cluster.client.protocol import ObjectList, PatchType, WatchEvent
from podready.kube.meta import Object, copy_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from podready.cluster.apiserver.registry import Registry
    from podready.kube.gvk import Resource


class InProcessClient:
    """`Client` on a `Registry`. Every call lets the event loop turn once, as a real one would."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """Return the object, or raise NotFound."""
        await asyncio.sleep(0)
        return copy_of(self._registry.get(resource, namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList:
        """Return all matching objects and the list's resourceVersion."""
        await asyncio.sleep(0)
        selection = Selection.parse(resource, namespace, label_selector, field_selector)
        found = self._registry.list(resource, selection)
        return ObjectList([copy_of(obj) for obj in found.items], found.resource_version)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Yield what happened strictly after `resource_version`; Gone when that is too old."""
        selection = Selection.parse(resource, namespace, label_selector, field_selector)
        stream = self._registry.watch(resource, selection, resource_version)
        try:
            while (event := await stream.next()) is not None:
                yield WatchEvent(event.type, copy_of(event.object))
        finally:
            stream.close()

    async def create(
        self, resource: Resource, namespace: str | None, obj: Object, *, subresource: str = ""
    ) -> Object:
        """Create the object (or POST to a subresource) and return what was stored."""
        await asyncio.sleep(0)
        return copy_of(self._registry.create(resource, namespace, obj, subresource=subresource))

    async def update(
        self, resource: Resource, namespace: str | None, obj: Object, *, subresource: str = ""
    ) -> Object:
        """Replace the object, or its `status` or `scale`; Conflict when it is stale."""
        await asyncio.sleep(0)
        return copy_of(self._registry.update(resource, namespace, obj, subresource=subresource))

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
        await asyncio.sleep(0)
        stored = self._registry.patch(
            resource, namespace, name, patch, patch_type=patch_type, subresource=subresource
        )
        return copy_of(stored)

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
        await asyncio.sleep(0)
        options = DeleteOptions(grace_period_seconds, uid=uid, propagation=propagation)
        self._registry.delete(resource, namespace, name, options)
