"""Watches as clients see them: selected, with initial events and bookmarks."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from podready.cluster.client.protocol import WatchEvent
from podready.kube.fields import ALL_FIELDS, FieldSelector, parse_field_selector
from podready.kube.labels import EVERYTHING, Selector, parse_selector
from podready.kube.meta import Object, labels_of, namespace_of
from podready.kube.status import BadRequest

if TYPE_CHECKING:
    from podready.cluster.store.store import Store
    from podready.cluster.store.watcher import Change, Watcher
    from podready.kube.gvk import Resource

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""Annotation of the bookmark that ends a WatchList's initial events (KEP-3157)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource a list or watch is about."""

    namespace: str | None = None
    labels: Selector = EVERYTHING
    fields: FieldSelector = ALL_FIELDS

    @classmethod
    def parse(
        cls, resource: Resource, namespace: str | None, labels: str = "", fields: str = ""
    ) -> Self:
        """Return the selection of query strings; BadRequest when one cannot be read."""
        try:
            return cls(namespace, parse_selector(labels), parse_field_selector(fields, resource))
        except ValueError as problem:
            raise BadRequest(str(problem)) from None

    def matches(self, obj: Object) -> bool:
        """Whether the object is in the selection."""
        if self.namespace not in (None, namespace_of(obj)):
            return False
        return self.labels.matches(labels_of(obj)) and self.fields.matches(obj)


class WatchStream:
    """Watch events of one selection; objects in it are shared with the store."""

    def __init__(
        self, resource: Resource, selection: Selection, watcher: Watcher, initial: list[WatchEvent]
    ) -> None:
        self._resource = resource
        self._selection = selection
        self._watcher = watcher
        self._initial = deque(initial)
        self.revision = 0

    @classmethod
    def open(
        cls,
        store: Store,
        resource: Resource,
        selection: Selection,
        resource_version: str,
        *,
        initial_events: bool = False,
        end_bookmark: bool = False,
    ) -> Self:
        """Return a stream of what happens after `resource_version`.

        "" and "0" begin with an ADDED for each object there is, and so does `initial_events`
        (which `end_bookmark` closes with its bookmark). Gone when the version is too old,
        BadRequest when it is no number.
        """
        from_now = resource_version in ("", "0") or initial_events
        if resource_version and not resource_version.isdecimal():
            raise BadRequest(f"invalid resource version: {resource_version!r}")
        initial: list[WatchEvent] = []
        if from_now:
            items = (o for o in store.list(resource, selection.namespace) if selection.matches(o))
            initial = [WatchEvent("ADDED", item) for item in items]
        since = store.revision if from_now else int(resource_version)
        watcher = store.watch(resource, since)
        if end_bookmark:
            initial.append(bookmark(resource, store.revision, {INITIAL_EVENTS_END: "true"}))
        stream = cls(resource, selection, watcher, initial)
        stream.revision = since
        return stream

    async def next(self) -> WatchEvent | None:
        """Return the next event, or None once closed; Gone when the watch fell behind."""
        while True:
            if self._initial:
                return self._initial.popleft()
            change = await self._watcher.next()
            if change is None:
                return None
            self.revision = change.revision
            event = self._selected(change)
            if event is not None:
                return event

    async def next_within(self, seconds: float) -> WatchEvent | None:
        """Return the next event, or None after so many seconds or once closed."""
        try:
            async with asyncio.timeout(seconds):
                return await self.next()
        except TimeoutError:
            return None

    def bookmark(self) -> WatchEvent:
        """Return a bookmark of how far the stream has come."""
        return bookmark(self._resource, self.revision)

    @property
    def closed(self) -> bool:
        """Whether the stream has been closed, from either side."""
        return self._watcher.closed

    def close(self) -> None:
        """End the stream."""
        self._initial.clear()
        self._watcher.close()

    def _selected(self, change: Change) -> WatchEvent | None:
        """Return the event for this selection: objects that cross its border come or go."""
        was = change.previous is not None and self._selection.matches(change.previous)
        if change.type == "DELETED":
            return WatchEvent("DELETED", change.object) if was else None
        now = self._selection.matches(change.object)
        if now:
            return WatchEvent("MODIFIED" if was else "ADDED", change.object)
        return WatchEvent("DELETED", change.object) if was else None


def bookmark(
    resource: Resource, revision: int, annotations: dict[str, str] | None = None
) -> WatchEvent:
    """Return a BOOKMARK event: a version, and nothing of an object but its kind."""
    meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = annotations
    kind = {"kind": resource.kind, "apiVersion": resource.api_version}
    return WatchEvent("BOOKMARK", kind | {"metadata": meta})
