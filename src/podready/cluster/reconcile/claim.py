"""Adoption and release: a controller takes orphans that match, and releases the others.

After kubernetes/pkg/controller/controller_ref_manager.go. An object has at most one controller;
who belongs to another one is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from podready.kube.meta import (
    Object,
    controller_of,
    copy_of,
    is_controlled_by,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    owners_of,
    uid_of,
)
from podready.kube.status import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.cluster.client.protocol import Client
    from podready.kube.gvk import Resource
    from podready.kube.labels import Selector


@dataclass(frozen=True, slots=True)
class Claim:
    """One owner's claim on the objects of another resource that match its selector."""

    client: Client
    owner: Object
    owner_resource: Resource
    resource: Resource
    selector: Selector

    async def claim(self, objects: Iterable[Object]) -> list[Object]:
        """Return the objects that are the owner's now, after adopting and releasing."""
        claimed = []
        for obj in objects:
            if controller_of(obj) is None:
                adopted = await self._adopt(obj)
                claimed += [adopted] if adopted else []
            elif is_controlled_by(obj, self.owner) and not await self._release(obj):
                claimed.append(obj)
        return claimed

    async def _adopt(self, obj: Object) -> Object | None:
        """Become the controller of an orphan that matches; None when it is not for us."""
        if is_deleting(obj) or is_deleting(self.owner):
            return None
        if not self.selector.matches(labels_of(obj)):
            return None
        await self._check_owner()
        reference = owner_reference(self.owner, self.owner_resource)
        return await self._write_owners(obj, [*owners_of(obj), reference])

    async def _release(self, obj: Object) -> bool:
        """Release an owned object that no longer matches; return whether it was released."""
        if is_deleting(self.owner) or self.selector.matches(labels_of(obj)):
            return False
        kept = [ref for ref in owners_of(obj) if ref.get("uid") != uid_of(self.owner)]
        await self._write_owners(obj, kept)
        return True

    async def _check_owner(self) -> None:
        """Ask the API, not the cache, that the owner still exists: a deleted one must not adopt."""
        name, namespace = name_of(self.owner), namespace_of(self.owner)
        live = await self.client.get(self.owner_resource, namespace, name)
        if uid_of(live) != uid_of(self.owner) or is_deleting(live):
            raise Conflict.of(self.owner_resource, name, "it was just deleted")

    async def _write_owners(self, obj: Object, owners: list[Object]) -> Object | None:
        """Store new owners; the cached resourceVersion prevents overwriting another write."""
        changed = copy_of(obj)
        changed["metadata"]["ownerReferences"] = owners
        try:
            return await self.client.update(self.resource, namespace_of(obj), changed)
        except NotFound:
            return None  # deleted meanwhile: it has no owner any more
