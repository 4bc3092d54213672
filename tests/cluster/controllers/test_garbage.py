"""What happens to pods when their Deployment is deleted, in each of the three ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from podready.cluster.controllers import deployment as deployment_controller
from podready.cluster.controllers import garbage, replicaset
from podready.kube.gvk import CONFIG_MAP, DEPLOYMENT, POD, REPLICA_SET, Resource
from podready.kube.meta import Object, is_deleting, name_of, owner_reference, owners_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Object]


@pytest.fixture
async def running(plane: Any, deployment: Make) -> Any:
    """Return a control plane with a Deployment of two pods."""
    await plane.start(deployment_controller.build, replicaset.build, garbage.build)
    await plane.create(DEPLOYMENT, deployment(2))
    await plane.until_complete()
    return plane


async def count(plane: Any, *resources: Resource) -> tuple[int, ...]:
    """Return how many objects of each resource there are."""
    return tuple([len(await plane.objects(resource)) for resource in resources])


async def test_background(running: Any) -> None:
    """`kubectl delete deployment`: it is gone at once, ReplicaSet and pods follow."""
    await running.client.delete(DEPLOYMENT, "default", "web", propagation="Background")
    assert await count(running, DEPLOYMENT, REPLICA_SET) == (0, 1)

    async def all_gone() -> bool:
        return await count(running, DEPLOYMENT, REPLICA_SET, POD) == (0, 0, 0)

    await running.until(all_gone)


async def test_pods_of_a_deleted_owner_get_their_grace(running: Any) -> None:
    """Garbage or not, a pod is deleted gracefully: it terminates, then goes."""
    running.kubelet.stop = 20.0
    await running.client.delete(DEPLOYMENT, "default", "web", propagation="Background")
    await asyncio.sleep(10)
    pods = await running.objects(POD)
    assert len(pods) == 2
    assert all(is_deleting(pod) for pod in pods)
    assert {pod["metadata"]["deletionGracePeriodSeconds"] for pod in pods} == {30}


async def test_foreground(running: Any) -> None:
    """`--cascade=foreground`: first the pods, then the ReplicaSet, last the Deployment."""
    order: list[tuple[int, ...]] = []
    await running.client.delete(DEPLOYMENT, "default", "web", propagation="Foreground")

    async def all_gone() -> bool:
        now = await count(running, DEPLOYMENT, REPLICA_SET, POD)
        order.append(now)
        return now == (0, 0, 0)

    assert is_deleting(await running.get(DEPLOYMENT, "web"))
    await running.until(all_gone)
    assert (0, 1, 0) not in order
    assert all(deployments == 1 for deployments, _, pods in order if pods)
    assert all(sets == 1 for _, sets, pods in order if pods)


async def test_orphan(running: Any) -> None:
    """`--cascade=orphan`: the Deployment goes; its ReplicaSet, without owner, and its pods stay."""
    before = [name_of(pod) for pod in await running.pods()]
    await running.client.delete(DEPLOYMENT, "default", "web", propagation="Orphan")

    async def gone() -> bool:
        return await count(running, DEPLOYMENT) == (0,)

    await running.until(gone)
    await asyncio.sleep(5)
    (rs,) = await running.objects(REPLICA_SET)
    assert owners_of(rs) == []
    assert [name_of(pod) for pod in await running.pods()] == before


async def test_a_second_owner_keeps_an_object(plane: Any) -> None:
    """An object with two owners loses one reference with the first, and goes with the second."""
    await plane.start(garbage.build)
    owners = [
        await plane.create(CONFIG_MAP, {"metadata": {"name": name}}) for name in ("one", "two")
    ]
    references = [owner_reference(o, CONFIG_MAP, controller=False) for o in owners]
    child = {"metadata": {"name": "child", "ownerReferences": references}}
    await plane.create(CONFIG_MAP, child)
    await plane.client.delete(CONFIG_MAP, "default", "one")
    await asyncio.sleep(2)
    kept = await plane.get(CONFIG_MAP, "child")
    assert [ref["name"] for ref in owners_of(kept)] == ["two"]
    await plane.client.delete(CONFIG_MAP, "default", "two")
    await asyncio.sleep(2)
    assert "child" not in [name_of(o) for o in await plane.objects(CONFIG_MAP)]


async def test_born_an_orphan(plane: Any) -> None:
    """An object made for an owner that is gone already is garbage from the start."""
    await plane.start(garbage.build)
    owner = await plane.create(CONFIG_MAP, {"metadata": {"name": "owner"}})
    await plane.client.delete(CONFIG_MAP, "default", "owner")
    reference = owner_reference(owner, CONFIG_MAP)
    child = {"metadata": {"name": "child", "ownerReferences": [reference]}}
    await plane.create(CONFIG_MAP, child)
    await asyncio.sleep(2)
    assert await plane.objects(CONFIG_MAP) == []


async def test_an_owner_made_again_is_another_one(plane: Any) -> None:
    """Same name, other uid: the old owner's child is garbage."""
    await plane.start(garbage.build)
    first = await plane.create(CONFIG_MAP, {"metadata": {"name": "owner"}})
    child = {"metadata": {"name": "child", "ownerReferences": [owner_reference(first, CONFIG_MAP)]}}
    await plane.create(CONFIG_MAP, child)
    await plane.client.delete(CONFIG_MAP, "default", "owner")
    await plane.create(CONFIG_MAP, {"metadata": {"name": "owner"}})
    await asyncio.sleep(2)
    assert [name_of(o) for o in await plane.objects(CONFIG_MAP)] == ["owner"]


async def test_owners_of_unknown_kinds_are_trusted(plane: Any) -> None:
    """A kind that this cluster does not serve: nothing is deleted on suspicion."""
    await plane.start(garbage.build)
    reference = {"apiVersion": "example.com/v1", "kind": "App", "name": "a", "uid": "u"}
    child = {"metadata": {"name": "child", "ownerReferences": [reference]}}
    await plane.create(CONFIG_MAP, child)
    await asyncio.sleep(2)
    assert [name_of(o) for o in await plane.objects(CONFIG_MAP)] == ["child"]
