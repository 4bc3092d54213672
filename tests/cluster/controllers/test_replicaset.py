"""The life of a ReplicaSet: pods made, replaced, adopted, let go, counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from podready.cluster.controllers import replicaset
from podready.cluster.controllers.replicaset import slow_start
from podready.kube.gvk import POD, REPLICA_SET
from podready.kube.meta import controller_of, is_controlled_by, is_deleting, labels_of, name_of
from podready.kube.status import Forbidden
from podready.kube.workloads import is_active

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.kube.meta import Object

    Make = Callable[..., Object]


async def ready_set(plane: Any, replica_set: Make, replicas: int = 3, **spec: Any) -> Object:
    """Start the controller, create a ReplicaSet and wait until all its pods are available."""
    await plane.start(replicaset.build)
    await plane.create(REPLICA_SET, replica_set(replicas, **spec))
    await plane.until(lambda: has_available(plane, replicas))
    found: Object = await plane.get(REPLICA_SET, "web")
    return found


async def has_available(plane: Any, count: int) -> bool:
    """Whether the status says that many are available."""
    rs = await plane.get(REPLICA_SET, "web")
    return bool(rs["status"].get("availableReplicas", 0) == count)


async def test_pods_are_created_and_counted(plane: Any, replica_set: Make) -> None:
    """Three wanted: three pods with the template's labels, owned, named after the set, counted."""
    rs = await ready_set(plane, replica_set)
    pods = await plane.pods()
    assert len(pods) == 3
    assert all(is_controlled_by(pod, rs) for pod in pods)
    assert all(name_of(pod).startswith("web-") for pod in pods)
    assert rs["status"] == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
        "observedGeneration": 1,
    }
    assert sorted(await plane.events("SuccessfulCreate")) == sorted(
        f"Created pod: {name_of(pod)}" for pod in pods
    )


async def test_a_deleted_pod_is_replaced_at_once(plane: Any, replica_set: Make) -> None:
    """The replacement is there while the deleted pod still ends, and is counted apart from it."""
    await ready_set(plane, replica_set)
    plane.kubelet.stop = 20.0
    victim = (await plane.pods())[0]
    await plane.client.delete(POD, "default", name_of(victim))

    async def replaced() -> bool:
        rs = await plane.get(REPLICA_SET, "web")
        return rs["status"]["terminatingReplicas"] == 1 and len(await plane.pods()) == 3

    await plane.until(replaced, within=1)
    assert is_deleting(await plane.get(POD, name_of(victim)))
    await plane.until(lambda: has_available(plane, 3), within=3)


async def test_a_failed_pod_is_replaced(plane: Any, replica_set: Make) -> None:
    """A pod that ended counts no more; another one takes its place."""
    await ready_set(plane, replica_set, 1)
    pod = (await plane.pods())[0]
    pod["status"]["phase"] = "Failed"
    await plane.client.update(POD, "default", pod, subresource="status")
    await asyncio.sleep(3)
    (replacement,) = await plane.pods()
    assert name_of(replacement) != name_of(pod)


async def test_scale_down_takes_the_useless_first(plane: Any, replica_set: Make) -> None:
    """Of three pods the unready one goes first, and is told in an event."""
    await ready_set(plane, replica_set)
    victim = (await plane.pods())[1]
    await plane.kubelet.set_ready(victim, False)
    await asyncio.sleep(1)
    await plane.change(REPLICA_SET, "web", {"replicas": 2})
    await asyncio.sleep(10)
    assert name_of(victim) not in [name_of(pod) for pod in await plane.pods()]
    assert await plane.events("SuccessfulDelete") == [f"Deleted pod: {name_of(victim)}"]


async def test_scale_to_nothing_and_back(plane: Any, replica_set: Make) -> None:
    """Scaled to 0 no pod is left; scaled to 2 there are two."""
    await ready_set(plane, replica_set)
    await plane.change(REPLICA_SET, "web", {"replicas": 0})
    await asyncio.sleep(10)
    assert await plane.objects(POD) == []
    await plane.change(REPLICA_SET, "web", {"replicas": 2})
    await plane.until(lambda: has_available(plane, 2))


async def test_never_too_many_whatever_the_cache_lags(plane: Any, replica_set: Make) -> None:
    """While pods come and go and the status is written, never more than wanted were created."""
    counts = plane.watch_pods()
    await ready_set(plane, replica_set, 9)
    for pod in (await plane.pods())[:4]:
        await plane.client.delete(POD, "default", name_of(pod))
    await asyncio.sleep(20)
    assert counts.most == 9
    assert len(await plane.events("SuccessfulCreate")) == 13


async def test_an_orphan_is_adopted(plane: Any, replica_set: Make, template: Make) -> None:
    """A pod without a controller whose labels match is one of the three."""
    await plane.start(replicaset.build)
    orphan = {**template(), "metadata": {"name": "orphan", "labels": {"app": "web"}}}
    await plane.create(POD, orphan)
    rs = await plane.create(REPLICA_SET, replica_set(3))
    await plane.until(lambda: has_available(plane, 3))
    assert is_controlled_by(await plane.get(POD, "orphan"), rs)
    assert len(await plane.events("SuccessfulCreate")) == 2


async def test_a_relabelled_pod_is_released_and_replaced(plane: Any, replica_set: Make) -> None:
    """`kubectl label pod … app=debug` takes a pod out of service for a look; another comes."""
    await ready_set(plane, replica_set)
    name = name_of((await plane.pods())[0])
    await plane.client.patch(POD, "default", name, {"metadata": {"labels": {"app": "debug"}}})
    await asyncio.sleep(5)
    released = await plane.get(POD, name)
    assert controller_of(released) is None
    assert not is_deleting(released)
    mine = [pod for pod in await plane.pods() if labels_of(pod)["app"] == "web"]
    assert len(mine) == 3


async def test_available_only_after_min_ready_seconds(plane: Any, replica_set: Make) -> None:
    """Ready pods count as available 30 s later, without any event to remind anybody."""
    await plane.start(replicaset.build)
    await plane.create(REPLICA_SET, replica_set(2, minReadySeconds=30))
    await asyncio.sleep(20)
    status = (await plane.get(REPLICA_SET, "web"))["status"]
    assert (status["readyReplicas"], status["availableReplicas"]) == (2, 0)
    await plane.until(lambda: has_available(plane, 2), within=15)


async def test_creation_that_fails_is_told_and_tried_again(
    plane: Any, replica_set: Make, monkeypatch: Any
) -> None:
    """A refused pod: condition ReplicaFailure, event FailedCreate, and pods once it is allowed."""
    create, refuse = plane.client.create, True

    async def create_or_refuse(resource: Any, namespace: str, obj: Object, **how: Any) -> Object:
        if resource == POD and refuse:
            raise Forbidden.of(POD, "web", "exceeded quota: pods")
        created: Object = await create(resource, namespace, obj, **how)
        return created

    monkeypatch.setattr(plane.client, "create", create_or_refuse)
    await plane.start(replicaset.build)
    await plane.create(REPLICA_SET, replica_set(3))
    await asyncio.sleep(5)
    (condition,) = (await plane.get(REPLICA_SET, "web"))["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("ReplicaFailure", "FailedCreate")
    assert "exceeded quota" in (await plane.events("FailedCreate"))[0]
    refuse = False
    await plane.until(lambda: has_available(plane, 3))
    rs = await plane.get(REPLICA_SET, "web")
    assert "conditions" not in rs["status"]


async def test_deletion_that_fails_is_told_and_tried_again(
    plane: Any, replica_set: Make, monkeypatch: Any
) -> None:
    """A refused deletion: event FailedDelete, condition ReplicaFailure, and gone once allowed."""
    await ready_set(plane, replica_set, 2)
    delete, refuse = plane.client.delete, True

    async def delete_or_refuse(resource: Any, namespace: str, name: str, **how: Any) -> None:
        if refuse and how.get("grace_period_seconds") is None:
            raise Forbidden.of(POD, name, "protected")
        await delete(resource, namespace, name, **how)

    monkeypatch.setattr(plane.client, "delete", delete_or_refuse)
    await plane.change(REPLICA_SET, "web", {"replicas": 1})
    await asyncio.sleep(3)
    (condition,) = (await plane.get(REPLICA_SET, "web"))["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("ReplicaFailure", "FailedDelete")
    assert "protected" in (await plane.events("FailedDelete"))[0]
    refuse = False
    await plane.until(lambda: has_available(plane, 1))
    await asyncio.sleep(5)
    assert len(await plane.objects(POD)) == 1


async def test_slow_start_doubles_and_stops() -> None:
    """Batches of 1, 2, 4; when one of the third batch fails the rest is not tried."""
    tried = 0

    async def create() -> None:
        nonlocal tried
        tried += 1
        if tried == 5:
            raise Forbidden("no")

    created, failure = await slow_start(100, create)
    assert (created, tried) == (6, 7)
    assert isinstance(failure, Forbidden)


async def test_slow_start_creates_all() -> None:
    """Without a failure all are created."""
    made = []

    async def create() -> None:
        made.append(1)

    assert await slow_start(10, create) == (10, None)
    assert len(made) == 10


async def test_restarted_controller_finds_its_pods(plane: Any, replica_set: Make) -> None:
    """A controller that starts on an existing set changes nothing."""
    await ready_set(plane, replica_set)
    before = [name_of(pod) for pod in await plane.pods()]
    second = replicaset.build(plane.context)
    await second.start()
    await asyncio.sleep(5)
    await second.stop()
    assert [name_of(p) for p in await plane.objects(POD) if is_active(p)] == before
