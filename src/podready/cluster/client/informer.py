"""A local copy of part of the cluster that follows it: list, watch, cache, notify.

As client-go's shared informers: handlers get every object once as added, then each change; after
a lost watch the informer lists again and notifies of the difference, so no change is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from podready.kube.meta import Object, key_of, resource_version_of
from podready.kube.status import ApiError, Gone

if TYPE_CHECKING:
    from podready.cluster.client.protocol import Client, WatchEvent
    from podready.kube.gvk import Resource

_LOG = logging.getLogger(__name__)
_BACK_OFF_SECONDS = (0.05, 0.2, 1.0, 5.0)
"""Waits before listing again after a failure that is not Gone; the last one repeats."""

Index: TypeAlias = Callable[[Object], Iterable[str]]
"""Returns the values under which an object is to be found in one index."""


def _ignore(_: Object) -> None:
    """Do nothing."""


def _ignore_update(_old: Object, _new: Object) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Handler:
    """What to call on each change; the objects are shared with the cache and never changed."""

    on_add: Callable[[Object], None] = _ignore
    on_update: Callable[[Object, Object], None] = _ignore_update
    on_delete: Callable[[Object], None] = _ignore

    @classmethod
    def on_any(cls, changed: Callable[[Object], None]) -> Handler:
        """Return a handler that calls `changed` with the newest state, whatever happened."""
        return cls(changed, lambda _old, new: changed(new), changed)


class Informer:
    """The objects of one resource (and namespace and selectors), kept up to date by `run`.

    Objects it returns are shared: take `meta.copy_of` before changing one.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        indexes: Mapping[str, Index] | None = None,
    ) -> None:
        self.resource = resource
        self._client = client
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._objects: dict[str, Object] = {}
        self._indexes = {name: _IndexTable(index) for name, index in (indexes or {}).items()}
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()

    # -- reading ----------------------------------------------------------------------------

    def get(self, key: str) -> Object | None:
        """Return the object of `namespace/name`, or None."""
        return self._objects.get(key)

    def objects(self, namespace: str | None = None) -> list[Object]:
        """Return all objects, or those of a namespace."""
        prefix = f"{namespace}/" if namespace else ""
        return [obj for key, obj in self._objects.items() if key.startswith(prefix)]

    def by_index(self, index: str, value: str) -> list[Object]:
        """Return the objects that the named index files under `value`."""
        return [self._objects[key] for key in sorted(self._indexes[index].keys(value))]

    @property
    def synced(self) -> bool:
        """Whether the cache has held a full list."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when the first list is in the cache and the handlers have run."""
        await self._synced.wait()

    def add_handler(self, handler: Handler) -> None:
        """Tell `handler` of everything there is now, and of every change from here on."""
        self._handlers.append(handler)
        for obj in tuple(self._objects.values()):
            handler.on_add(obj)

    # -- following --------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the cluster until cancelled; a failure is logged, and listing starts again."""
        failures = 0
        while True:
            try:
                await self._list_and_watch()
                failures = 0
            except Gone:
                failures = 0
            except ApiError as problem:
                wait = _BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)]
                failures += 1
                _LOG.warning("informer of %s: %s", self.resource.plural, problem)
                await asyncio.sleep(wait)

    async def _list_and_watch(self) -> None:
        selectors = {
            "label_selector": self._label_selector,
            "field_selector": self._field_selector,
        }
        listed = await self._client.list(self.resource, self._namespace, **selectors)
        self._replace_all(listed.items)
        self._synced.set()
        version = listed.resource_version
        while True:
            events = self._client.watch(
                self.resource, self._namespace, resource_version=version, **selectors
            )
            async with contextlib.aclosing(events):  # type: ignore[type-var]
                async for event in events:
                    version = resource_version_of(event.object) or version
                    self._take(event)

    def _replace_all(self, objects: Iterable[Object]) -> None:
        fresh = {key_of(obj): obj for obj in objects}
        for key in self._objects.keys() - fresh.keys():
            self._remove(key, self._objects[key])
        for obj in fresh.values():
            self._put(obj)

    def _take(self, event: WatchEvent) -> None:
        if event.type == "DELETED":
            self._remove(key_of(event.object), event.object)
        elif event.type in ("ADDED", "MODIFIED"):
            self._put(event.object)

    def _put(self, obj: Object) -> None:
        key = key_of(obj)
        old = self._objects.get(key)
        if old is not None and resource_version_of(old) == resource_version_of(obj):
            return
        self._objects[key] = obj
        for table in self._indexes.values():
            table.put(key, obj)
        for handler in self._handlers:
            self._tell(handler, old, obj)

    def _tell(self, handler: Handler, old: Object | None, obj: Object) -> None:
        if old is None:
            handler.on_add(obj)
        elif old["metadata"].get("uid") != obj["metadata"].get("uid"):
            # Deleted and made again while we did not look: two different objects.
            handler.on_delete(old)
            handler.on_add(obj)
        else:
            handler.on_update(old, obj)

    def _remove(self, key: str, last: Object) -> None:
        if self._objects.pop(key, None) is None:
            return
        for table in self._indexes.values():
            table.remove(key)
        for handler in self._handlers:
            handler.on_delete(last)


class _IndexTable:
    """Keys of objects by the values of one index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._keys: dict[str, set[str]] = defaultdict(set)
        self._values: dict[str, set[str]] = {}

    def keys(self, value: str) -> set[str]:
        return self._keys.get(value, set())

    def put(self, key: str, obj: Object) -> None:
        self.remove(key)
        self._values[key] = set(self._index(obj))
        for value in self._values[key]:
            self._keys[value].add(key)

    def remove(self, key: str) -> None:
        for value in self._values.pop(key, ()):
            self._keys[value].discard(key)
            if not self._keys[value]:
                del self._keys[value]
