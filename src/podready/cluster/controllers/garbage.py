"""The garbage collector: what belongs to something deleted is deleted, or set free.

After kubernetes/pkg/controller/garbagecollector. Three ways to delete an owner: in the
background (the owner goes at once, its dependents follow), in the foreground (a finalizer keeps
the owner until those that block it are gone), and orphaning (dependents lose the reference).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from podready.cluster.reconcile.loop import DONE, Controller, Result
from podready.kube.gvk import EVENT, RESOURCES, Resource, resource_of
from podready.kube.meta import (
    Object,
    copy_of,
    is_deleting,
    name_of,
    namespace_of,
    owners_of,
    uid_of,
)
from podready.kube.status import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podready.cluster.reconcile.context import ControllerContext, ObjectChange

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"

COLLECTED = tuple(resource for resource in RESOURCES if resource != EVENT)
"""Events own nothing and have no owner; watching them all would only cost."""


class Item(NamedTuple):
    """Which object to look at: its kind, its place and its identity."""

    resource: Resource
    namespace: str | None
    name: str
    uid: str

    @classmethod
    def of(cls, resource: Resource, obj: Object) -> Item:
        """Return the item of an object."""
        return cls(resource, namespace_of(obj), name_of(obj), uid_of(obj))


def build(context: ControllerContext) -> Controller[Item]:
    """Return the garbage collector."""
    collector = GarbageCollector(context)
    sources = [context.watch(resource, collector.changed_of(resource)) for resource in COLLECTED]
    return context.controller("garbage", collector.reconcile, sources, workers=4)


class GarbageCollector:
    """Follows ownerReferences by uid, through the caches, and asks the API before it deletes."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._client = context.client

    # -- what wakes it ----------------------------------------------------------------------

    def changed_of(self, resource: Resource) -> Callable[[ObjectChange], list[Item]]:
        """Return what names the items to look at after a change of one resource."""

        def changed(change: ObjectChange) -> list[Item]:
            obj = change.latest
            if change.new is None:
                return [*self._dependents(uid_of(obj)), *self._waiting_owners(obj)]
            settled = change.old is not None and _bonds(change.old) == _bonds(obj)
            if settled or not (owners_of(obj) or is_deleting(obj)):
                return []
            return [Item.of(resource, obj)]

        return changed

    def _dependents(self, owner_uid: str) -> list[Item]:
        """Return all that refer to this owner."""
        return [
            Item.of(resource, obj)
            for resource in COLLECTED
            for obj in self._context.objects(resource)
            if any(ref.get("uid") == owner_uid for ref in owners_of(obj))
        ]

    def _waiting_owners(self, gone: Object) -> Iterable[Item]:
        """Return the owners of an object that is gone: one may have waited for just that."""
        for reference in owners_of(gone):
            resource = resource_of(reference["apiVersion"], reference["kind"])
            if resource is not None:
                yield _owner_item(resource, gone, reference)

    # -- what it does -----------------------------------------------------------------------

    async def reconcile(self, item: Item) -> Result:
        """Settle one object: first what depends on it, then whether it may stay."""
        obj = await self._live(item)
        if obj is None:
            return DONE
        finalizers = obj["metadata"].get("finalizers") or ()
        if is_deleting(obj) and ORPHAN in finalizers:
            await self._orphan_dependents(item, obj)
        elif is_deleting(obj) and FOREGROUND in finalizers:
            await self._wait_for_dependents(item, obj)
        if not is_deleting(obj) and owners_of(obj):
            await self._collect(item, obj)
        return DONE

    async def _live(self, item: Item) -> Object | None:
        """Return the object as the API has it now, None when it is gone or another one."""
        try:
            obj = await self._client.get(item.resource, item.namespace, item.name)
        except NotFound:
            return None
        return obj if uid_of(obj) == item.uid else None

    async def _collect(self, item: Item, obj: Object) -> None:
        """Delete the object when no owner is left, or when its last owner waits for that."""
        owners = await asyncio.gather(*(self._owner(obj, ref) for ref in owners_of(obj)))
        solid = [owner for owner in owners if owner and not _waits(owner)]
        waiting = [owner for owner in owners if owner and _waits(owner)]
        if solid:
            if len(solid) < len(owners):
                await self._drop_references(item, obj, {uid_of(owner) for owner in solid})
            return
        # Dependents of a dependent must go first, too, when its owner waits in the foreground.
        foreground = bool(waiting) and bool(self._dependents(item.uid))
        await self._delete(item, "Foreground" if foreground else "Background")

    async def _owner(self, obj: Object, reference: Object) -> Object | None:
        """Return the owner that a reference means, None when it is gone for good."""
        resource = resource_of(reference["apiVersion"], reference["kind"])
        if resource is None:
            return dict(reference) | {"metadata": reference}  # not for us to judge: it stays
        return await self._live(_owner_item(resource, obj, reference))

    async def _delete(self, item: Item, propagation: str) -> None:
        try:
            await self._client.delete(
                item.resource, item.namespace, item.name, uid=item.uid, propagation=propagation
            )
        except (NotFound, Conflict):
            pass  # gone, or another object of that name: both settle it

    async def _wait_for_dependents(self, item: Item, obj: Object) -> None:
        """Delete what depends on the object; let it go when nothing blocks it any more."""
        dependents = self._dependents(item.uid)
        blocking = [found for found in dependents if await self._blocks(found, item.uid)]
        if not blocking:
            await self._remove_finalizer(item, obj, FOREGROUND)
            return
        for dependent in blocking:
            await self.reconcile(dependent)

    async def _blocks(self, dependent: Item, owner_uid: str) -> bool:
        obj = await self._live(dependent)
        references = owners_of(obj) if obj else []
        return any(r.get("uid") == owner_uid and r.get("blockOwnerDeletion") for r in references)

    async def _orphan_dependents(self, item: Item, obj: Object) -> None:
        """Take the reference to the object out of all that depend on it, then let it go."""
        for dependent in self._dependents(item.uid):
            live = await self._live(dependent)
            if live is not None:
                keep = {ref["uid"] for ref in owners_of(live)} - {item.uid}
                await self._drop_references(dependent, live, keep)
        await self._remove_finalizer(item, obj, ORPHAN)

    async def _drop_references(self, item: Item, obj: Object, keep: set[str]) -> None:
        changed = copy_of(obj)
        changed["metadata"]["ownerReferences"] = [r for r in owners_of(obj) if r["uid"] in keep]
        await self._client.update(item.resource, item.namespace, changed)

    async def _remove_finalizer(self, item: Item, obj: Object, finalizer: str) -> None:
        changed = copy_of(obj)
        kept = [f for f in obj["metadata"]["finalizers"] if f != finalizer]
        changed["metadata"]["finalizers"] = kept
        try:
            await self._client.update(item.resource, item.namespace, changed)
        except NotFound:
            pass  # another client released it


def _bonds(obj: Object) -> tuple[object, ...]:
    """Return what garbage collection looks at: owners, finalizers, and whether it is deleted."""
    return (owners_of(obj), obj["metadata"].get("finalizers"), is_deleting(obj))


def _owner_item(resource: Resource, dependent: Object, reference: Object) -> Item:
    namespace = namespace_of(dependent) if resource.namespaced else None
    return Item(resource, namespace, reference["name"], reference["uid"])


def _waits(owner: Object) -> bool:
    """Whether the owner is deleted in the foreground and waits for its dependents."""
    meta = owner["metadata"]
    return bool(meta.get("deletionTimestamp")) and FOREGROUND in (meta.get("finalizers") or ())
