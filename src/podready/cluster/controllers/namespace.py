"""The namespace controller: empties a deleted namespace, then lets it go.

After kubernetes/pkg/controller/namespace/deletion. A namespace keeps the finalizer `kubernetes`
in its spec; only `/finalize` takes that away, and only once nothing is left inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.reconcile.loop import DONE, Controller, Result
from podready.kube.gvk import EVENT, NAMESPACE, POD, RESOURCES, Resource
from podready.kube.meta import Object, copy_of, is_deleting, name_of, uid_of
from podready.kube.status import NotFound

if TYPE_CHECKING:
    from podready.cluster.reconcile.context import ControllerContext

FINALIZER = "kubernetes"

LOOK_AGAIN_SECONDS = 0.5
"""How soon to look whether the rest is gone; pods take their grace period to end."""

CONTENT = tuple(r for r in RESOURCES if r.namespaced and r != EVENT)


def build(context: ControllerContext) -> Controller[str]:
    """Return the namespace controller."""
    reconciler = NamespaceReconciler(context)
    sources = (context.watch(NAMESPACE, lambda change: [name_of(change.latest)]),)
    return context.controller("namespace", reconciler.reconcile, sources)


class NamespaceReconciler:
    """Deletes everything in a terminating namespace."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client

    async def reconcile(self, name: str) -> Result:
        """Delete what is left of a terminating namespace; finalize it when nothing is."""
        try:
            namespace = await self._client.get(NAMESPACE, None, name)
        except NotFound:
            return DONE
        if not is_deleting(namespace):
            return DONE
        left = [await self._delete_all(resource, name) for resource in CONTENT]
        if any(left):
            return Result(requeue_after=LOOK_AGAIN_SECONDS)
        await self._delete_all(EVENT, name)  # last: the deletions above recorded events too
        await self._finalize(namespace)
        return DONE

    async def _delete_all(self, resource: Resource, namespace: str) -> int:
        """Delete all objects of a resource; return how many there were."""
        found = (await self._client.list(resource, namespace)).items
        for obj in found:
            if not is_deleting(obj):
                await self._delete(resource, namespace, obj)
        return len(found)

    async def _delete(self, resource: Resource, namespace: str, obj: Object) -> None:
        background = None if resource == POD else "Background"
        try:
            await self._client.delete(
                resource, namespace, name_of(obj), uid=uid_of(obj), propagation=background
            )
        except NotFound:
            pass  # the garbage collector was faster

    async def _finalize(self, namespace: Object) -> None:
        emptied = copy_of(namespace)
        kept = [f for f in namespace["spec"].get("finalizers") or () if f != FINALIZER]
        emptied["spec"]["finalizers"] = kept
        try:
            await self._client.update(NAMESPACE, None, emptied, subresource="finalize")
        except NotFound:
            pass  # another client finalized it
