"""Watches a Deployment, its pods and the Service's endpoints, and keeps what it saw.

Everything comes through the API's watch, so it works on any cluster. Facts are stamped with
CLOCK_MONOTONIC on arrival, the clock of the journal and of the load's samples.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from podready.clock import SYSTEM_CLOCK, Clock
from podready.kube.gvk import DEPLOYMENT, ENDPOINT_SLICE, POD
from podready.kube.meta import dig, is_deleting, labels_of, name_of
from podready.kube.workloads import is_ready
from podready.rehearse.api import KubernetesApi
from podready.rehearse.history import EndpointSeen, PodSeen
from podready.rehearse.rollout import HASH_LABEL, rollout_status
from podready.rehearse.target import RehearsalTarget

Object = dict[str, Any]

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


@dataclass(slots=True)
class Seen:
    """All facts so far, oldest first."""

    pods: list[PodSeen] = field(default_factory=list)
    endpoints: list[EndpointSeen] = field(default_factory=list)


class ClusterObserver:
    """`async with ClusterObserver(api, target)`: `pods` and `deployment` are kept up to date."""

    def __init__(
        self, api: KubernetesApi, target: RehearsalTarget, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._api, self._target, self._clock = api, target, clock
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._slices: dict[str, set[str]] = {}
        self.pods: dict[str, Object] = {}
        self.deployment: Object | None = None
        self.seen = Seen()

    async def __aenter__(self) -> Self:
        target = self._target
        watches: list[tuple[Any, dict[str, str] | None, Callable[[str, Object], None]]] = [
            (POD, target.selector, self._see_pod),
            (DEPLOYMENT, None, self._see_deployment),
            (ENDPOINT_SLICE, {SERVICE_NAME_LABEL: target.service}, self._see_slice),
        ]
        self._tasks = [asyncio.create_task(self._follow(*watch)) for watch in watches]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], bool], timeout: float) -> bool:
        """Return whether the condition held within `timeout` seconds of what was watched.

        Raises what broke a watch: without it the condition could never come true.
        """
        async with self._changed:
            waiting = asyncio.create_task(self._wait_for(holds))
        done, _ = await asyncio.wait(
            {waiting, *self._tasks}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if waiting in done:
            return True
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        for task in done:
            task.result()
        return holds()

    def ready_pods(self) -> list[str]:
        """Return the names of the pods that are ready and not on their way out."""
        return [n for n, pod in self.pods.items() if is_ready(pod) and not is_deleting(pod)]

    def terminating_pods(self) -> list[str]:
        """Return the names of the pods that are on their way out."""
        return [name for name, pod in self.pods.items() if is_deleting(pod)]

    def summary(self) -> str:
        """Return `3 ready, 1 starting, 1 terminating`."""
        ready, going = len(self.ready_pods()), len(self.terminating_pods())
        counts = {
            "ready": ready,
            "starting": len(self.pods) - ready - going,
            "terminating": going,
        }
        return ", ".join(f"{n} {word}" for word, n in counts.items() if n) or "no pods"

    async def _wait_for(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)

    async def _follow(
        self, resource: Any, labels: dict[str, str] | None, see: Callable[[str, Object], None]
    ) -> None:
        events = self._api.watch(resource, labels)
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            async for event, obj in events:
                see(event, obj)
                await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _see_pod(self, event: str, pod: Object) -> None:
        name = name_of(pod)
        if event == "DELETED":
            self.pods.pop(name, None)
        else:
            self.pods[name] = pod
        self.seen.pods.append(pod_seen(self._clock.monotonic(), event, pod))

    def _see_deployment(self, event: str, obj: Object) -> None:
        if name_of(obj) == self._target.deployment:
            self.deployment = None if event == "DELETED" else obj

    def _see_slice(self, event: str, obj: Object) -> None:
        now = self._clock.monotonic()
        before = self._routed()
        self._slices[name_of(obj)] = set() if event == "DELETED" else ready_endpoints(obj)
        after = self._routed()
        changes = [(pod, False) for pod in before - after] + [(pod, True) for pod in after - before]
        self.seen.endpoints += [EndpointSeen(now, pod, routed) for pod, routed in changes]

    def _routed(self) -> set[str]:
        return set().union(*self._slices.values())


def pod_seen(t: float, event: str, pod: Object) -> PodSeen:
    """Return the fact that a watch event of a pod is."""
    statuses = dig(pod, "status", "containerStatuses", default=[]) or [{}]
    first = statuses[0]
    code = dig(first, "state", "terminated", "exitCode")
    meta = pod["metadata"]
    return PodSeen(
        t=t,
        event=event,
        pod=f"{meta.get('namespace', 'default')}/{meta['name']}",
        revision=labels_of(pod).get(HASH_LABEL, ""),
        phase=dig(pod, "status", "phase", default="Pending"),
        ready=is_ready(pod),
        deleting=is_deleting(pod),
        grace=float(meta.get("deletionGracePeriodSeconds") or 30),
        exit_code=code,
        node=dig(pod, "spec", "nodeName", default=""),
    )


def ready_endpoints(slice_: Object) -> set[str]:
    """Return the pods ("namespace/name") that proxies route to by an EndpointSlice."""
    namespace = slice_["metadata"].get("namespace", "default")
    return {
        f"{namespace}/{dig(endpoint, 'targetRef', 'name')}"
        for endpoint in slice_.get("endpoints") or []
        if dig(endpoint, "conditions", "ready", default=True) and endpoint.get("targetRef")
    }


def is_rolled_out(deployment: Object | None) -> bool:
    """Return whether the Deployment's rollout is complete."""
    return deployment is not None and rollout_status(deployment).done
