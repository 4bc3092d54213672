"""What every controller gets: a client, the shared caches, a clock, and the usual delay.

`cluster/local.py` makes one context for all of them; each controller's `build(context)` makes a
`Controller` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from podready.clock import SYSTEM_CLOCK, Clock
from podready.cluster.client.informer import Handler, Informer
from podready.cluster.client.recorder import Recorder
from podready.cluster.reconcile.jitter import Jitter
from podready.cluster.reconcile.loop import Controller
from podready.cluster.reconcile.workqueue import RetryBackoff, WorkQueue
from podready.kube.gvk import NAMESPACE
from podready.kube.meta import Object, is_deleting, key

if TYPE_CHECKING:
    from podready.cluster.client.protocol import Client
    from podready.cluster.reconcile.loop import Reconcile, Source
    from podready.kube.gvk import Resource

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """What an informer saw of one object: `old` is None when it is new, `new` when it is gone.

    Only to find out who has to look: a reconcile function never gets it.
    """

    latest: Object
    old: Object | None
    new: Object | None
    """`latest` is the newest state known, of a removed object its last one."""


@dataclass(frozen=True, slots=True)
class ControllerContext:
    """What controllers use; objects from the caches are shared and must not be changed."""

    client: Client
    informers: Mapping[Resource, Informer]
    clock: Clock = SYSTEM_CLOCK
    jitter: Jitter = field(default_factory=Jitter)

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """Return the object out of the cache, or None."""
        return self.informers[resource].get(key(namespace, name))

    def objects(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """Return the cached objects of a namespace, or of all."""
        return self.informers[resource].objects(namespace)

    def is_ending(self, namespace: str | None) -> bool:
        """Whether the namespace is terminating: nothing new may be created there."""
        found = self.get(NAMESPACE, None, namespace) if namespace else None
        return found is not None and is_deleting(found)

    def recorder(self, component: str) -> Recorder:
        """Return a recorder of Events for the controller of that name."""
        return Recorder(self.client, component, clock=self.clock)

    async def wait_synced(self) -> None:
        """Return when every cache has held a full list; the informers have to be running."""
        for informer in self.informers.values():
            await informer.wait_synced()

    def controller(
        self,
        name: str,
        reconcile: Reconcile[K],
        sources: Iterable[Source[K]],
        *,
        workers: int = 1,
        backoff: RetryBackoff | None = None,
    ) -> Controller[K]:
        """Return a controller with a queue of its own that starts once the caches are full."""
        return Controller(
            name,
            reconcile,
            WorkQueue(backoff or RetryBackoff()),
            sources=tuple(sources),
            synced=self.wait_synced,
            workers=workers,
        )

    def watch(
        self, resource: Resource, to_keys: Callable[[ObjectChange], Iterable[K]]
    ) -> Source[K]:
        """Return a source that queues `to_keys(change)` a little after each change.

        `to_keys` itself is called at once: what it notes (an expectation that came true) is in
        step with the cache.
        """

        def subscribe(queue: WorkQueue[K]) -> None:
            def changed(latest: Object, old: Object | None, new: Object | None) -> None:
                for found in to_keys(ObjectChange(latest, old, new)):
                    queue.add_after(found, self.jitter.delay())

            handler = Handler(
                on_add=lambda obj: changed(obj, None, obj),
                on_update=lambda old, new: changed(new, old, new),
                on_delete=lambda obj: changed(obj, obj, None),
            )
            self.informers[resource].add_handler(handler)

        return subscribe
