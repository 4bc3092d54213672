"""A control plane in memory: our own Registry, our own client, and a kubelet of the test's own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from podready.clock import Clock
from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.informer import Handler, Informer
from podready.cluster.reconcile.context import ControllerContext
from podready.cluster.reconcile.jitter import Jitter
from podready.cluster.reconcile.loop import Controller
from podready.kube.gvk import (
    DEPLOYMENT,
    EVENT,
    POD,
    REPLICA_SET,
    RESOURCES,
    Resource,
)
from podready.kube.meta import Object, is_deleting, name_of, set_condition, uid_of
from podready.kube.status import ApiError, NotFound
from podready.kube.workloads import is_active, is_available

Build = Callable[[ControllerContext], Controller[Any]]


class FakeKubelet:
    """Gives pods an IP, makes them ready after `start` seconds, and ends deleted ones after `stop`.

    A pod whose image is in `broken` runs and never becomes ready.
    """

    def __init__(self, client: InProcessClient, clock: Clock) -> None:
        self.start, self.stop = 1.0, 2.0
        self.broken: set[str] = set()
        self._client, self._clock = client, clock
        self._addresses = itertools.count(1)
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def see(self, pod: Object) -> None:
        """React to a pod once for its start and once for its end."""
        self._once("run", pod, self._run)
        if is_deleting(pod):
            self._once("end", pod, self._end)

    def _once(self, what: str, pod: Object, act: Callable[[Object], Any]) -> None:
        if (what, uid_of(pod)) not in self._tasks:
            self._tasks[what, uid_of(pod)] = asyncio.create_task(act(pod))

    async def _run(self, pod: Object) -> None:
        await self._write(pod, phase="Running", ip=f"10.1.0.{next(self._addresses)}", ready=False)
        await asyncio.sleep(self.start)
        if pod["spec"]["containers"][0]["image"] not in self.broken:
            await self._write(pod, ready=True)

    async def _end(self, pod: Object) -> None:
        await asyncio.sleep(self.stop)
        await self._write(pod, phase="Succeeded", ready=False)
        await self._delete(pod)

    async def _delete(self, pod: Object) -> None:
        namespace, name = pod["metadata"]["namespace"], name_of(pod)
        await self._client.delete(POD, namespace, name, grace_period_seconds=0, uid=uid_of(pod))

    async def set_ready(self, pod: Object, ready: bool) -> None:
        """Let the readiness probe's result change."""
        await self._write(pod, ready=ready)

    async def _write(
        self, pod: Object, *, phase: str = "", ip: str = "", ready: bool | None = None
    ) -> None:
        try:
            live = await self._client.get(POD, pod["metadata"]["namespace"], name_of(pod))
        except NotFound:
            return
        status = live["status"]
        status.update({"phase": phase} if phase else {})
        status.update({"podIP": ip} if ip else {})
        if ready is not None:
            condition = {"type": "Ready", "status": str(ready)}
            set_condition(status.setdefault("conditions", []), condition, self._clock.now())
        await self._client.update(POD, live["metadata"]["namespace"], live, subresource="status")

    async def close(self) -> None:
        """End what is still pending."""
        for task in self._tasks.values():
            task.cancel()
        results = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        bad = [r for r in results if isinstance(r, Exception) and not isinstance(r, ApiError)]
        assert not bad


class ControlPlane:
    """A registry, caches, the controllers under test and a fake kubelet, in virtual time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.registry = Registry(clock=clock)
        self.client = InProcessClient(self.registry)
        self.informers = {resource: Informer(self.client, resource) for resource in RESOURCES}
        self.context = ControllerContext(self.client, self.informers, clock, Jitter(seed=1))
        self.kubelet = FakeKubelet(self.client, clock)
        self._controllers: list[Controller[Any]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *builds: Build) -> None:
        """Follow the API with every informer, then start the controllers."""
        for informer in self.informers.values():
            self._tasks.append(asyncio.create_task(informer.run()))
            await informer.wait_synced()
        self.informers[POD].add_handler(Handler.on_any(self._bind_and_run))
        self._controllers = [build(self.context) for build in builds]
        for controller in self._controllers:
            await controller.start()

    def _bind_and_run(self, pod: Object) -> None:
        if pod["spec"].get("nodeName"):
            self.kubelet.see(pod)

    async def stop(self) -> None:
        """Stop everything, in the opposite order."""
        for controller in self._controllers:
            await controller.stop()
        await self.kubelet.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- acting -----------------------------------------------------------------------------

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create in the default namespace unless the object says another."""
        namespace = obj["metadata"].get("namespace", "default") if resource.namespaced else None
        return await self.client.create(resource, namespace, obj)

    async def change(self, resource: Resource, name: str, spec: Object) -> Object:
        """Merge `spec` into the object's spec."""
        return await self.client.patch(resource, "default", name, {"spec": spec})

    # -- looking ----------------------------------------------------------------------------

    async def get(self, resource: Resource, name: str) -> Object:
        """Return an object of the default namespace."""
        return await self.client.get(resource, "default", name)

    async def objects(self, resource: Resource, namespace: str = "default") -> list[Object]:
        """Return the objects of a namespace, oldest first."""
        listed = await self.client.list(resource, namespace if resource.namespaced else None)
        return sorted(listed.items, key=lambda o: int(o["metadata"]["resourceVersion"]))

    async def pods(self, image: str = "") -> list[Object]:
        """Return the active pods, of one image or of all."""
        found = [pod for pod in await self.objects(POD) if is_active(pod)]
        return [p for p in found if image in ("", p["spec"]["containers"][0]["image"])]

    async def events(self, reason: str) -> list[str]:
        """Return the messages of the events of this reason, oldest first."""
        return [e["message"] for e in await self.objects(EVENT) if e["reason"] == reason]

    async def until(self, condition: Callable[[], Any], within: float = 120) -> None:
        """Wait (in virtual time) until an async condition holds; fail after `within` seconds."""
        deadline = self.clock.monotonic() + within
        while not await condition():
            assert self.clock.monotonic() < deadline, f"not within {within} s"
            await asyncio.sleep(0.05)

    async def until_complete(self, name: str = "web", within: float = 120) -> Object:
        """Wait until `kubectl rollout status` would be satisfied, and return the Deployment."""

        async def complete() -> bool:
            deployment = await self.get(DEPLOYMENT, name)
            status, wanted = deployment["status"], deployment["spec"]["replicas"]
            counts = ("updatedReplicas", "replicas", "availableReplicas")
            observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
            return observed and all(status.get(count, 0) == wanted for count in counts)

        await self.until(complete, within)
        return await self.get(DEPLOYMENT, name)

    def watch_pods(self) -> PodCounts:
        """Count active and available pods at each change from here on."""
        counts = PodCounts(self)
        self.informers[POD].add_handler(Handler.on_any(counts.note))
        self.informers[REPLICA_SET].add_handler(Handler.on_any(counts.note))
        return counts


class PodCounts:
    """The most and the fewest pods that were ever there at once, as the API saw them.

    `most_wanted` counts what the ReplicaSets together ask for: that is what a surge bounds. One
    set may create before another deletes, so pods may exceed it for a moment, as on any cluster.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.most, self.most_with_terminating, self.most_wanted = 0, 0, 0
        self.least_available = 10**6

    def note(self, _: Object) -> None:
        """Count again."""
        pods = self._plane.registry.store.list(POD)
        active = [pod for pod in pods if is_active(pod)]
        available = [p for p in active if is_available(p, 0, self._plane.clock.now())]
        sets = self._plane.registry.store.list(REPLICA_SET)
        self.most_wanted = max(self.most_wanted, sum(rs["spec"]["replicas"] for rs in sets))
        self.most = max(self.most, len(active))
        self.most_with_terminating = max(self.most_with_terminating, len(pods))
        self.least_available = min(self.least_available, len(available))


@pytest.fixture
async def plane(clock: Clock) -> AsyncIterator[ControlPlane]:
    """Return a control plane to start with the controllers under test."""
    made = ControlPlane(clock)
    yield made
    await made.stop()


def pod_template(image: str = "web:1", **spec: Any) -> Object:
    """Return the template of a pod with one container."""
    container = {
        "name": "web",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8000}],
    }
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"nodeName": "node-0", "containers": [container], **spec},
    }


@pytest.fixture
def template() -> Callable[..., Object]:
    """Return the maker of pod templates (already on a node, so that no scheduler is needed)."""
    return pod_template


@pytest.fixture
def deployment() -> Callable[..., Object]:
    """Return the maker of Deployments named web."""

    def make(replicas: int = 3, image: str = "web:1", **spec: Any) -> Object:
        return {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": pod_template(image),
                **spec,
            },
        }

    return make


@pytest.fixture
def replica_set() -> Callable[..., Object]:
    """Return the maker of ReplicaSets named web."""

    def make(replicas: int = 3, image: str = "web:1", **spec: Any) -> Object:
        return {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": pod_template(image),
                **spec,
            },
        }

    return make
