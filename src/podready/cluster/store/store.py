"""What etcd is to Kubernetes: objects, one version counter, compare-and-swap, watch history.

Synchronous and in memory: a write is complete before other code runs. Objects handed in belong to
the store, and objects handed out are shared: callers copy before they change them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from podready.cluster.store.watcher import DEFAULT_LIMIT, Change, Watcher
from podready.kube.meta import Object, name_of, namespace_of, resource_version_of, without
from podready.kube.status import AlreadyExists, Conflict, Gone, NotFound, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.kube.gvk import Resource

DEFAULT_HISTORY = 4096
"""Changes kept for each resource, for watches that start in the past."""

Key = tuple[str, str]


class Store:
    """Objects by resource, namespace and name."""

    def __init__(self, history: int = DEFAULT_HISTORY, watch_limit: int = DEFAULT_LIMIT) -> None:
        # etcd's first revision is 1; "0" means "any version" to Kubernetes and is never used.
        self.revision = 1
        self._watch_limit = watch_limit
        self._objects: dict[Resource, dict[Key, Object]] = defaultdict(dict)
        self._history: dict[Resource, deque[Change]] = defaultdict(lambda: deque(maxlen=history))
        self._forgotten: dict[Resource, int] = defaultdict(int)
        self._watchers: dict[Resource, list[Watcher]] = defaultdict(list)

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """Return the object, or raise NotFound."""
        try:
            return self._objects[resource][namespace or "", name]
        except KeyError:
            raise NotFound.of(resource, name) from None

    def list(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """Return the objects of a namespace, or of all, ordered by namespace and name."""
        objects = self._objects[resource]
        return [objects[key] for key in sorted(objects) if namespace in (None, key[0])]

    def create(self, resource: Resource, obj: Object) -> Object:
        """Store a new object and return it with its resourceVersion."""
        key = _key(obj)
        if key in self._objects[resource]:
            raise AlreadyExists.of(resource, key[1])
        return self._write(resource, "ADDED", obj, None)

    def update(self, resource: Resource, obj: Object) -> Object:
        """Replace an object; Conflict when its resourceVersion is not the stored one.

        A write that changes nothing is none: no new version, no event.
        """
        old = self._expect(resource, obj)
        if _content(obj) == _content(old):
            return old
        return self._write(resource, "MODIFIED", obj, old)

    def delete(self, resource: Resource, obj: Object) -> Object:
        """Remove an object and return its last state, which carries a version of its own."""
        old = self._expect(resource, obj)
        last = dict(obj) | {"metadata": dict(obj["metadata"])}
        return self._write(resource, "DELETED", last, old)

    def watch(self, resource: Resource, since: int) -> Watcher:
        """Return a watcher of all changes strictly after `since`; Gone when those are too old."""
        if since < self._forgotten[resource]:
            raise Gone(f"too old resource version: {since} ({self._forgotten[resource]})")
        if since > self.revision:
            raise Timeout(f"Too large resource version: {since}, current: {self.revision}")
        backlog = [change for change in self._history[resource] if change.revision > since]
        watchers = self._watchers[resource]
        watcher = Watcher(backlog, limit=self._watch_limit, on_close=watchers.remove)
        watchers.append(watcher)
        return watcher

    def watchers(self) -> Iterable[Watcher]:
        """Return all open watchers."""
        return [watcher for watchers in self._watchers.values() for watcher in watchers]

    def _expect(self, resource: Resource, obj: Object) -> Object:
        old = self.get(resource, namespace_of(obj), name_of(obj))
        if resource_version_of(obj) != resource_version_of(old):
            raise Conflict.of(resource, name_of(obj))
        return old

    def _write(self, resource: Resource, kind: str, obj: Object, old: Object | None) -> Object:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        if kind == "DELETED":
            del self._objects[resource][_key(obj)]
        else:
            self._objects[resource][_key(obj)] = obj
        self._publish(resource, Change(kind, obj, old, self.revision))
        return obj

    def _publish(self, resource: Resource, change: Change) -> None:
        history = self._history[resource]
        if len(history) == history.maxlen:
            self._forgotten[resource] = history[0].revision
        history.append(change)
        for watcher in tuple(self._watchers[resource]):
            watcher.offer(change)


def _key(obj: Object) -> Key:
    return namespace_of(obj) or "", name_of(obj)


def _content(obj: Object) -> tuple[Object, Object]:
    return without(obj, ["metadata"]), without(obj["metadata"], ["resourceVersion"])
