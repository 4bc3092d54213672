"""Pods find their nodes: spread, selected, tolerated, or told why not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podready.cluster import scheduler
from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.informer import Informer
from podready.cluster.reconcile.context import ControllerContext
from podready.cluster.reconcile.jitter import Jitter
from podready.kube.gvk import EVENT, NODE, POD
from podready.kube.meta import Object, get_condition, name_of


class Scene:
    """An API server in memory with a scheduler."""

    def __init__(self, clock: Any) -> None:
        self.client = InProcessClient(Registry(clock=clock))
        informers = {resource: Informer(self.client, resource) for resource in (POD, NODE)}
        context = ControllerContext(self.client, informers, clock, Jitter(seed=3))
        self._scheduler = scheduler.build(context)
        self._informers = informers
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Fill the caches and start."""
        self._tasks = [asyncio.create_task(i.run()) for i in self._informers.values()]
        for informer in self._informers.values():
            await informer.wait_synced()
        await self._scheduler.start()

    async def stop(self) -> None:
        """Stop all."""
        await self._scheduler.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def node(self, name: str, labels: Object | None = None, **spec: Any) -> None:
        """Register a node."""
        await self.client.create(
            NODE, None, {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}
        )

    async def pod(self, name: str, **spec: Any) -> None:
        """Create a pod without a node."""
        containers = [{"name": "web", "image": "web:1"}]
        pod = {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}
        await self.client.create(POD, "default", pod)

    async def nodes(self) -> dict[str, str]:
        """Return the node of each pod; the empty string for none."""
        pods = (await self.client.list(POD)).items
        return {name_of(pod): pod["spec"].get("nodeName", "") for pod in pods}

    async def told(self, reason: str) -> list[str]:
        """Return the messages of the events of this reason."""
        events = (await self.client.list(EVENT)).items
        return [event["message"] for event in events if event["reason"] == reason]


@pytest.fixture
async def scene(clock: Any) -> AsyncIterator[Scene]:
    """Return a running scheduler on an empty cluster."""
    made = Scene(clock)
    await made.start()
    yield made
    await made.stop()


async def test_a_pod_is_bound_and_told(scene: Scene) -> None:
    """One node, one pod: bound, PodScheduled True, event Scheduled."""
    await scene.node("node-0")
    await scene.pod("a")
    await asyncio.sleep(1)
    pod = await scene.client.get(POD, "default", "a")
    assert pod["spec"]["nodeName"] == "node-0"
    assert (get_condition(pod, "PodScheduled") or {})["status"] == "True"
    assert await scene.told("Scheduled") == ["Successfully assigned default/a to node-0"]


async def test_pods_are_spread(scene: Scene) -> None:
    """Nine pods at once on three nodes: three each, though the cache lags the bindings."""
    for number in range(3):
        await scene.node(f"node-{number}")
    for number in range(9):
        await scene.pod(f"pod-{number}")
    await asyncio.sleep(2)
    counts = Counter((await scene.nodes()).values())
    assert counts == {"node-0": 3, "node-1": 3, "node-2": 3}


async def test_no_node_at_all(scene: Scene) -> None:
    """Without nodes: Pending, Unschedulable, one event; with the first node it is bound."""
    await scene.pod("a")
    await asyncio.sleep(60)
    pod = await scene.client.get(POD, "default", "a")
    condition = get_condition(pod, "PodScheduled") or {}
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert await scene.told("FailedScheduling") == ["no nodes available to schedule pods"]
    await scene.node("node-0")
    await asyncio.sleep(1)
    assert await scene.nodes() == {"a": "node-0"}


async def test_cordoned_nodes_take_nobody(scene: Scene) -> None:
    """All nodes cordoned: FailedScheduling says so; uncordoned, the pod goes there."""
    await scene.node("node-0", unschedulable=True)
    await scene.pod("a")
    await asyncio.sleep(1)
    assert await scene.told("FailedScheduling") == [
        "0/1 nodes are available: 1 node(s) were unschedulable."
    ]
    await scene.client.patch(NODE, None, "node-0", {"spec": {"unschedulable": None}})
    await asyncio.sleep(1)
    assert await scene.nodes() == {"a": "node-0"}


async def test_selectors_and_taints(scene: Scene) -> None:
    """A selector needs its label, a NoSchedule taint a toleration."""
    await scene.node("plain")
    await scene.node("fast", {"disk": "ssd"})
    await scene.node(
        "special", taints=[{"key": "team", "value": "a", "effect": "NoSchedule"}], labels={"z": "y"}
    )
    await scene.pod("on-ssd", nodeSelector={"disk": "ssd"})
    await scene.pod("refused", nodeSelector={"z": "y"})
    toleration = {"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"}
    await scene.pod("welcome", nodeSelector={"z": "y"}, tolerations=[toleration])
    await asyncio.sleep(1)
    assert await scene.nodes() == {"on-ssd": "fast", "refused": "", "welcome": "special"}
    (text,) = await scene.told("FailedScheduling")
    assert text.startswith("0/3 nodes are available: ")
    assert "2 node(s) didn't match Pod's node affinity/selector" in text
    assert "1 node(s) had untolerated taint {team: a}" in text


async def test_other_schedulers_pods_are_left_alone(scene: Scene) -> None:
    """A pod that asks for another scheduler waits for that one."""
    await scene.node("node-0")
    await scene.pod("a", schedulerName="mine")
    await asyncio.sleep(5)
    assert await scene.nodes() == {"a": ""}


async def test_a_pod_deleted_while_it_waited_is_forgotten(scene: Scene) -> None:
    """Deleted before there was a node: the node comes, nothing happens."""
    await scene.pod("a")
    await asyncio.sleep(1)
    await scene.client.delete(POD, "default", "a")
    await scene.node("node-0")
    await asyncio.sleep(1)
    assert await scene.nodes() == {}


async def test_a_pod_bound_by_somebody_else_stays_there(scene: Scene) -> None:
    """Another scheduler was faster: the pod stays where it is, and nothing is told of ours."""
    pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "w", "image": "w:1"}]}}
    await scene.node("node-0")
    await scene.client.create(POD, "default", pod)
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "elsewhere"}}
    await scene.client.create(POD, "default", binding, subresource="binding")
    await asyncio.sleep(1)
    assert await scene.nodes() == {"a": "elsewhere"}
    assert await scene.told("Scheduled") == []


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "team", "value": "b"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
async def test_tolerations(scene: Scene, toleration: Object, tolerated: bool) -> None:
    """A toleration has to fit key, value and effect; `Exists` without a key fits all."""
    await scene.node("node-0", taints=[{"key": "team", "value": "a", "effect": "NoSchedule"}])
    await scene.pod("a", tolerations=[toleration])
    await asyncio.sleep(1)
    assert await scene.nodes() == {"a": "node-0" if tolerated else ""}
