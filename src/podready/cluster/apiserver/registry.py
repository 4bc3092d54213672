"""The verbs of the API on stored objects: where every write is completed, checked and versioned.

Synchronous: a call is complete before the next one begins, so a patch can never meet a conflict
of its own making. What is returned is shared with the store: callers copy before they change it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from podready.clock import SYSTEM_CLOCK, Clock
from podready.cluster.apiserver.addresses import allocate
from podready.cluster.apiserver.bootstrap import first_objects
from podready.cluster.apiserver.deletion import (
    DeleteOptions,
    check_preconditions,
    is_finished,
    mark_deleted,
    unmet,
)
from podready.cluster.apiserver.strategy import (
    prepare_for_create,
    prepare_for_status,
    prepare_for_update,
)
from podready.cluster.apiserver.subresources.binding import bound
from podready.cluster.apiserver.subresources.eviction import disrupted, options_of
from podready.cluster.apiserver.subresources.scale import scale_of, scaled
from podready.cluster.apiserver.watching import Selection, WatchStream
from podready.cluster.client.protocol import ObjectList, PatchType
from podready.cluster.store.store import Store
from podready.kube.gvk import NAMESPACE, POD, SERVICE, Resource
from podready.kube.meta import Object, copy_of, dig, is_deleting, name_of
from podready.kube.patch import PatchError, PatchTestError, json_patch, merge_patch
from podready.kube.status import (
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from podready.kube.strategic import strategic_merge

if TYPE_CHECKING:
    from collections.abc import Callable

_PATCHES: dict[PatchType, Callable[[Any, Any], Any]] = {
    PatchType.JSON: json_patch,
    PatchType.MERGE: merge_patch,
    PatchType.STRATEGIC: strategic_merge,
}


class Registry:
    """Get, list, watch, create, update, patch and delete, for every resource."""

    def __init__(self, store: Store | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self.store = store if store is not None else Store()
        self._clock = clock
        self._bootstrap()

    def _bootstrap(self) -> None:
        for resource, namespace, obj in first_objects():
            try:
                self.store.get(resource, namespace, name_of(obj))
            except NotFound:
                self.create(resource, namespace, obj)

    # -- reading ----------------------------------------------------------------------------

    def get(
        self, resource: Resource, namespace: str | None, name: str, subresource: str = ""
    ) -> Object:
        """Return the object, or its Scale; NotFound when it is not there."""
        obj = self.store.get(resource, namespace, name)
        return scale_of(obj) if subresource == "scale" else obj

    def list(self, resource: Resource, selection: Selection) -> ObjectList:
        """Return the selected objects and the version a watch may go on from."""
        found = [o for o in self.store.list(resource, selection.namespace) if selection.matches(o)]
        return ObjectList(found, str(self.store.revision))

    def watch(
        self, resource: Resource, selection: Selection, resource_version: str, **how: Any
    ) -> WatchStream:
        """Return the stream of what happens to the selected objects; see `WatchStream.open`."""
        return WatchStream.open(self.store, resource, selection, resource_version, **how)

    # -- writing ----------------------------------------------------------------------------

    def create(
        self,
        resource: Resource,
        namespace: str | None,
        obj: Object,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Store a new object, or bind or evict the pod that `obj` names; return the result."""
        if subresource:
            return self._post_to(resource, namespace, obj, subresource, dry_run)
        new = copy_of(obj)
        self._check_namespace(resource, namespace, new)
        prepare_for_create(resource, namespace, new, self._clock.now())
        if resource == SERVICE:
            allocate(self.store, new)
        return new if dry_run else self.store.create(resource, new)

    def update(
        self,
        resource: Resource,
        namespace: str | None,
        obj: Object,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Replace an object (or its status, scale, finalizers); Conflict when `obj` is stale."""
        old = self.store.get(resource, namespace, name_of(obj))
        return self._replace(resource, old, copy_of(obj), subresource, dry_run)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        patch_type: PatchType,
        subresource: str = "",
        dry_run: bool = False,
        review: Callable[[Object], None] = lambda _: None,
    ) -> Object:
        """Apply a patch to the object as it is now, let `review` look at it, store the result."""
        old = self.store.get(resource, namespace, name)
        base = scale_of(old) if subresource == "scale" else old
        new = self._patched(resource, base, patch, patch_type)
        review(new)
        return self._replace(resource, old, new, subresource, dry_run)

    def delete(
        self, resource: Resource, namespace: str | None, name: str, options: DeleteOptions
    ) -> tuple[Object, bool]:
        """Delete, gracefully where the kind is; return the last state and whether it is gone."""
        old = self.store.get(resource, namespace, name)
        check_preconditions(resource, old, options)
        marked = mark_deleted(resource, old, options, self._clock.now())
        if marked is None:
            return (old if options.dry_run else self.store.delete(resource, old)), True
        return (marked if options.dry_run else self.store.update(resource, marked)), False

    # -- inside -----------------------------------------------------------------------------

    def _check_namespace(self, resource: Resource, namespace: str | None, obj: Object) -> None:
        if not resource.namespaced:
            return
        if not namespace:
            raise BadRequest("an empty namespace may not be set during creation")
        found = self.store.get(NAMESPACE, None, namespace)
        if is_deleting(found):
            why = (
                f"unable to create new content in namespace {namespace} "
                "because it is being terminated"
            )
            raise Forbidden.of(resource, name_of(obj), why)

    def _replace(
        self, resource: Resource, old: Object, new: Object, subresource: str, dry_run: bool
    ) -> Object:
        if subresource == "scale":
            target = scaled(resource, old, new)
            return scale_of(self._store_update(resource, old, target, dry_run))
        _check_fresh(resource, new, old)
        if subresource == "status":
            return self._store_status(resource, old, new, dry_run)
        if subresource == "finalize":
            finalizers = dig(new, "spec", "finalizers", default=[])
            return self._finish(
                resource, copy_of(old) | {"spec": {"finalizers": finalizers}}, dry_run
            )
        return self._store_update(resource, old, new, dry_run)

    def _store_update(self, resource: Resource, old: Object, new: Object, dry_run: bool) -> Object:
        if resource == NAMESPACE:
            new["spec"] = old["spec"]  # only /finalize may change a namespace's own finalizers
        if resource == SERVICE:
            new["metadata"].setdefault("namespace", old["metadata"]["namespace"])
            allocate(self.store, new, old)
        prepare_for_update(resource, new, old)
        return self._finish(resource, new, dry_run)

    def _store_status(self, resource: Resource, old: Object, new: Object, dry_run: bool) -> Object:
        changed = prepare_for_status(new, old)
        return changed if dry_run else self.store.update(resource, changed)

    def _finish(self, resource: Resource, new: Object, dry_run: bool) -> Object:
        """Store the new state, or remove the object when that was all it waited for."""
        if dry_run:
            return new
        if is_finished(resource, new):
            return self.store.delete(resource, new)
        return self.store.update(resource, new)

    def _patched(
        self, resource: Resource, base: Object, patch: Any, patch_type: PatchType
    ) -> Object:
        apply = _PATCHES[patch_type]
        if patch_type is not PatchType.JSON and not isinstance(patch, dict):
            raise BadRequest("a merge patch is a JSON object")
        try:
            result = apply(base, patch)
        except PatchTestError as problem:
            raise Invalid(
                f"the server rejected our request due to an error in our request: {problem}"
            ) from None
        except (PatchError, AttributeError, TypeError) as problem:
            raise BadRequest(f"unable to apply the patch to {resource.plural}: {problem}") from None
        if not isinstance(result, dict):
            raise BadRequest("the patch leaves no object")
        return copy_of(result)

    def _post_to(
        self,
        resource: Resource,
        namespace: str | None,
        obj: Object,
        subresource: str,
        dry_run: bool,
    ) -> Object:
        post: dict[str, Callable[[Object, Object, bool], Object]] = {
            "binding": self._bind,
            "eviction": self._evict,
        }
        if resource != POD or subresource not in post:
            raise NotFound("the server could not find the requested resource")
        return post[subresource](self.store.get(POD, namespace, name_of(obj)), obj, dry_run)

    def _bind(self, pod: Object, binding: Object, dry_run: bool) -> Object:
        changed = bound(pod, binding, self._clock.now())
        return changed if dry_run else self.store.update(POD, changed)

    def _evict(self, pod: Object, eviction: Object, dry_run: bool) -> Object:
        options = options_of(eviction)
        check_preconditions(POD, pod, options)
        if dry_run or options.dry_run:
            return pod
        marked = disrupted(pod, self._clock.now())
        if marked is not None:
            pod = self.store.update(POD, marked)
        options = replace(options, uid=None, resource_version=None)
        return self.delete(POD, pod["metadata"]["namespace"], name_of(pod), options)[0]


def _check_fresh(resource: Resource, new: Object, old: Object) -> None:
    """Refuse a write made from an older version, to another object, or under another name."""
    meta, before = new.get("metadata") or {}, old["metadata"]
    name = before["name"]
    if meta.get("name", name) != name:
        raise BadRequest(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
    if meta.get("uid", before["uid"]) != before["uid"]:
        raise Conflict.of(resource, name, unmet("UID", meta["uid"], before["uid"]))
    if meta.get("resourceVersion") and meta["resourceVersion"] != before["resourceVersion"]:
        raise Conflict.of(resource, name)
