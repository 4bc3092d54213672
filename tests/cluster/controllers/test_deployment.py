"""The life of a Deployment, told rollout by rollout, on our own API server in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from podready.cluster.controllers import deployment as deployment_controller
from podready.cluster.controllers import replicaset
from podready.cluster.controllers.deployment.revisions import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    REVISION,
    REVISION_HISTORY,
)
from podready.kube.gvk import DEPLOYMENT, POD, REPLICA_SET
from podready.kube.meta import (
    annotations_of,
    get_condition,
    is_controlled_by,
    is_deleting,
    labels_of,
    name_of,
)
from podready.kube.status import Forbidden
from podready.kube.workloads import POD_TEMPLATE_HASH, pod_template_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.kube.meta import Object

    Make = Callable[..., Object]


def image_of(obj: Object) -> str:
    """Return the image of a pod, or of a workload's template."""
    spec = obj["spec"].get("template", obj)["spec"]
    return str(spec["containers"][0]["image"])


async def set_image(plane: Any, image: str) -> None:
    """`kubectl set image deployment/web web=image`."""
    web = await plane.get(DEPLOYMENT, "web")
    web["spec"]["template"]["spec"]["containers"][0]["image"] = image
    await plane.client.update(DEPLOYMENT, "default", web)


async def sets_by_image(plane: Any) -> dict[str, Object]:
    """Return the ReplicaSets by the image of their template."""
    return {image_of(rs): rs for rs in await plane.objects(REPLICA_SET)}


async def sizes(plane: Any) -> dict[str, int]:
    """Return the sizes of the ReplicaSets by image."""
    return {image: rs["spec"]["replicas"] for image, rs in (await sets_by_image(plane)).items()}


async def progressing(plane: Any) -> tuple[str, str]:
    """Return status and reason of the Progressing condition."""
    condition = get_condition(await plane.get(DEPLOYMENT, "web"), "Progressing") or {}
    return condition.get("status", ""), condition.get("reason", "")


@pytest.fixture
async def running(plane: Any, deployment: Make) -> Any:
    """Return a control plane on which three replicas of web:1 are available."""
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment())
    await plane.until_complete()
    return plane


# -- creation ---------------------------------------------------------------------------------


async def test_a_deployment_makes_a_replica_set_and_pods(running: Any) -> None:
    """Deployment -> ReplicaSet named by the template's hash -> three pods with that label."""
    web = await running.get(DEPLOYMENT, "web")
    (rs,) = await running.objects(REPLICA_SET)
    suffix = pod_template_hash(web["spec"]["template"])
    assert name_of(rs) == f"web-{suffix}"
    assert is_controlled_by(rs, web)
    assert annotations_of(rs) == {REVISION: "1", DESIRED_REPLICAS: "3", MAX_REPLICAS: "4"}
    assert annotations_of(web)[REVISION] == "1"
    pods = await running.pods()
    assert [labels_of(p) for p in pods] == [{"app": "web", POD_TEMPLATE_HASH: suffix}] * 3
    assert await running.events("ScalingReplicaSet") == [
        f"Scaled up replica set {name_of(rs)} from 0 to 3"
    ]


async def test_status_of_a_complete_deployment(running: Any) -> None:
    """All counts are three, Available and Progressing are True with Kubernetes' reasons."""
    await asyncio.sleep(2)
    web = await running.get(DEPLOYMENT, "web")
    (rs,) = await running.objects(REPLICA_SET)
    status = dict(web["status"])
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status.pop("conditions")}
    assert status == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "unavailableReplicas": 0,
        "terminatingReplicas": 0,
    }
    assert conditions == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    message = (get_condition(web, "Progressing") or {})["message"]
    assert message == f'ReplicaSet "{name_of(rs)}" has successfully progressed.'


async def test_a_matching_replica_set_is_adopted(
    plane: Any, deployment: Make, replica_set: Make
) -> None:
    """A ReplicaSet without owner and with the same template becomes revision 1."""
    await plane.start(deployment_controller.build, replicaset.build)
    orphan = replica_set(2)
    orphan["metadata"]["labels"] = {"app": "web"}
    await plane.create(REPLICA_SET, orphan)
    web = await plane.create(DEPLOYMENT, deployment())
    await plane.until_complete()
    (rs,) = await plane.objects(REPLICA_SET)
    assert is_controlled_by(rs, web)
    assert annotations_of(rs)[REVISION] == "1"


# -- rolling update ---------------------------------------------------------------------------


async def test_rolling_update_step_by_step(running: Any) -> None:
    """3 replicas at 25%/25%: one pod up, one down, and so on; 3 available at any moment."""
    counts = running.watch_pods()
    await set_image(running, "web:2")
    await running.until_complete()
    new, old = [name_of((await sets_by_image(running))[image]) for image in ("web:2", "web:1")]
    assert (await running.events("ScalingReplicaSet"))[1:] == [
        f"Scaled up replica set {new} from 0 to 1",
        f"Scaled down replica set {old} from 3 to 2",
        f"Scaled up replica set {new} from 1 to 2",
        f"Scaled down replica set {old} from 2 to 1",
        f"Scaled up replica set {new} from 2 to 3",
        f"Scaled down replica set {old} from 1 to 0",
    ]
    assert counts.most == 4
    assert counts.least_available == 3
    assert counts.most_with_terminating > 4
    assert {image_of(pod) for pod in await running.pods()} == {"web:2"}
    assert annotations_of(await running.get(DEPLOYMENT, "web"))[REVISION] == "2"


@pytest.mark.parametrize(
    ("surge", "unavailable", "most", "least"),
    [(0, 1, 4, 3), (2, 0, 6, 4), ("50%", "25%", 6, 3), ("100%", 0, 8, 4)],
)
async def test_bounds_hold_whatever_the_strategy(
    plane: Any,
    deployment: Make,
    surge: int | str,
    unavailable: int | str,
    most: int,
    least: int,
) -> None:
    """4 replicas: never more wanted than the surge allows, never fewer available than promised."""
    rolling = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment(4, strategy=rolling))
    await plane.until_complete()
    counts = plane.watch_pods()
    await set_image(plane, "web:2")
    await plane.until_complete()
    assert (counts.most_wanted, counts.least_available) == (most, least)


async def test_a_second_change_rolls_over_the_first(running: Any) -> None:
    """web:3 arrives while web:2 is half out: both old sets go, three of web:3 stay."""
    await set_image(running, "web:2")
    await asyncio.sleep(2)
    assert (await sizes(running))["web:2"] > 0
    await set_image(running, "web:3")
    await running.until_complete()
    assert await sizes(running) == {"web:1": 0, "web:2": 0, "web:3": 3}


async def test_broken_new_pods_never_cost_old_ones(running: Any) -> None:
    """web:2 never becomes ready: one surge pod waits, three old pods go on serving."""
    running.kubelet.broken = {"web:2"}
    counts = running.watch_pods()
    await set_image(running, "web:2")
    await asyncio.sleep(300)
    assert await sizes(running) == {"web:1": 3, "web:2": 1}
    assert counts.least_available == 3


async def test_min_ready_seconds_slow_the_rollout(plane: Any, deployment: Make) -> None:
    """With minReadySeconds 10 each of three steps takes at least eleven seconds."""
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment(minReadySeconds=10))
    await plane.until_complete()
    start = plane.clock.monotonic()
    await set_image(plane, "web:2")
    await plane.until_complete()
    assert 33 <= plane.clock.monotonic() - start < 45


# -- rollback and history ---------------------------------------------------------------------


@pytest.mark.slow
async def test_rollback_reuses_the_old_replica_set(running: Any) -> None:
    """Back to web:1: no third ReplicaSet; the first becomes revision 3 and remembers it was 1."""
    first = (await running.objects(REPLICA_SET))[0]
    await set_image(running, "web:2")
    await running.until_complete()
    counts = running.watch_pods()
    await set_image(running, "web:1")
    web = await running.until_complete()
    by_image = await sets_by_image(running)
    assert len(by_image) == 2
    back = by_image["web:1"]
    assert name_of(back) == name_of(first)
    assert annotations_of(back)[REVISION] == "3"
    assert annotations_of(back)[REVISION_HISTORY] == "1"
    assert annotations_of(by_image["web:2"])[REVISION] == "2"
    assert annotations_of(web)[REVISION] == "3"
    assert counts.least_available == 3


async def test_change_cause_goes_to_the_revision(running: Any) -> None:
    """The Deployment's change-cause is kept with the ReplicaSet it belongs to."""
    cause = {"metadata": {"annotations": {"kubernetes.io/change-cause": "faster"}}}
    await running.client.patch(DEPLOYMENT, "default", "web", cause)
    await set_image(running, "web:2")
    await running.until_complete()
    new = (await sets_by_image(running))["web:2"]
    assert annotations_of(new)["kubernetes.io/change-cause"] == "faster"


@pytest.mark.slow
async def test_history_is_limited(plane: Any, deployment: Make) -> None:
    """revisionHistoryLimit 1: of four revisions the newest and one old one are kept."""
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment(revisionHistoryLimit=1))
    await plane.until_complete()
    for number in (2, 3, 4):
        await set_image(plane, f"web:{number}")
        await plane.until_complete()
    await asyncio.sleep(5)
    assert await sizes(plane) == {"web:3": 0, "web:4": 3}


# -- scaling ----------------------------------------------------------------------------------


async def test_scaling_up_and_down(running: Any) -> None:
    """3 -> 5 -> 1, without a new revision."""
    await running.change(DEPLOYMENT, "web", {"replicas": 5})
    await running.until_complete()
    assert len(await running.pods()) == 5
    await running.change(DEPLOYMENT, "web", {"replicas": 1})
    web = await running.until_complete()
    assert len(await running.pods()) == 1
    assert annotations_of(web)[REVISION] == "1"


async def test_scaling_to_zero_is_complete_and_back(running: Any) -> None:
    """`kubectl scale --replicas=0` empties the set; 2 fills the same one again."""
    await running.change(DEPLOYMENT, "web", {"replicas": 0})
    await running.until_complete()
    assert await running.pods() == []
    await running.change(DEPLOYMENT, "web", {"replicas": 2})
    await running.until_complete()
    assert await sizes(running) == {"web:1": 2}


async def test_scaling_during_a_rollout_is_proportional(plane: Any, deployment: Make) -> None:
    """10 replicas stuck at 8 old + 5 new, scaled to 15: each set keeps its share of 18 pods."""
    rolling = {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment(10, strategy=rolling))
    await plane.until_complete()
    plane.kubelet.broken = {"web:2"}
    await set_image(plane, "web:2")
    await asyncio.sleep(30)
    assert await sizes(plane) == {"web:1": 8, "web:2": 5}
    await plane.change(DEPLOYMENT, "web", {"replicas": 15})
    await asyncio.sleep(30)
    assert await sizes(plane) == {"web:1": 11, "web:2": 7}


async def test_scaling_a_mix_whose_new_set_is_full_empties_the_old(running: Any) -> None:
    """An old set got pods by hand, the new one has all it should: a pause empties the old one."""
    await set_image(running, "web:2")
    await running.until_complete()
    await running.change(DEPLOYMENT, "web", {"paused": True})
    await asyncio.sleep(1)
    old = name_of((await sets_by_image(running))["web:1"])
    await running.change(REPLICA_SET, old, {"replicas": 2})
    await asyncio.sleep(5)
    assert await sizes(running) == {"web:1": 0, "web:2": 3}


async def test_scaling_while_the_strategy_became_recreate(running: Any) -> None:
    """Half-way through a rolling update the strategy and the size change: it ends all the same."""
    await set_image(running, "web:2")
    await asyncio.sleep(2)
    assert len([size for size in (await sizes(running)).values() if size]) == 2
    change = {"replicas": 4, "strategy": {"type": "Recreate", "rollingUpdate": None}}
    await running.change(DEPLOYMENT, "web", change)
    await running.until_complete()
    assert await sizes(running) == {"web:1": 0, "web:2": 4}


# -- pause and resume -------------------------------------------------------------------------


async def test_pause_holds_the_rollout_and_scaling_works(running: Any) -> None:
    """Paused: a new template makes no ReplicaSet, scaling works; resumed: it rolls."""
    await running.change(DEPLOYMENT, "web", {"paused": True})
    await set_image(running, "web:2")
    await asyncio.sleep(30)
    assert await sizes(running) == {"web:1": 3}
    assert await progressing(running) == ("Unknown", "DeploymentPaused")
    await running.change(DEPLOYMENT, "web", {"replicas": 4})
    await asyncio.sleep(30)
    assert await sizes(running) == {"web:1": 4}
    await running.change(DEPLOYMENT, "web", {"paused": False})
    await running.until_complete()
    assert await sizes(running) == {"web:1": 0, "web:2": 4}
    await asyncio.sleep(1)
    assert await progressing(running) == ("True", "NewReplicaSetAvailable")


async def test_pause_in_mid_rollout(running: Any) -> None:
    """Paused half-way, both revisions stay as they are, however long, and no deadline runs."""
    await set_image(running, "web:2")
    await asyncio.sleep(2)
    await running.change(DEPLOYMENT, "web", {"paused": True})
    await asyncio.sleep(3)
    frozen = await sizes(running)
    assert frozen["web:1"] > 0
    assert frozen["web:2"] > 0
    await asyncio.sleep(3600)
    assert await sizes(running) == frozen
    assert await progressing(running) == ("Unknown", "DeploymentPaused")
    await running.change(DEPLOYMENT, "web", {"paused": False})
    await running.until_complete()


# -- progress deadline ------------------------------------------------------------------------


async def test_a_stuck_rollout_is_told_and_not_rolled_back(running: Any) -> None:
    """No progress for 600 s: ProgressDeadlineExceeded, pods left as they are, undo still works."""
    running.kubelet.broken = {"web:2"}
    await set_image(running, "web:2")
    await asyncio.sleep(590)
    assert (await progressing(running))[0] == "True"
    await asyncio.sleep(20)
    assert await progressing(running) == ("False", "ProgressDeadlineExceeded")
    stuck = await sets_by_image(running)
    web = await running.get(DEPLOYMENT, "web")
    message = (get_condition(web, "Progressing") or {})["message"]
    assert message == f'ReplicaSet "{name_of(stuck["web:2"])}" has timed out progressing.'
    assert await sizes(running) == {"web:1": 3, "web:2": 1}
    await set_image(running, "web:1")
    await running.until_complete()
    await asyncio.sleep(1)
    assert await progressing(running) == ("True", "NewReplicaSetAvailable")


async def test_progress_moves_the_deadline(plane: Any, deployment: Make) -> None:
    """Pods that take 8 s each, deadline 10 s: three steps take longer, yet none is too late."""
    await plane.start(deployment_controller.build, replicaset.build)
    plane.kubelet.start = 8.0
    await plane.create(DEPLOYMENT, deployment(progressDeadlineSeconds=10))
    await plane.until_complete()
    await set_image(plane, "web:2")
    seen = set()
    for _ in range(60):
        await asyncio.sleep(0.5)
        seen.add((await progressing(plane))[1])
    await plane.until_complete()
    assert "ProgressDeadlineExceeded" not in seen
    assert {"NewReplicaSetCreated", "ReplicaSetUpdated"} & seen


async def test_without_a_deadline_nothing_is_judged(plane: Any, deployment: Make) -> None:
    """progressDeadlineSeconds of MaxInt32 means none: no Progressing condition at all."""
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment(progressDeadlineSeconds=2**31 - 1))
    await plane.until_complete()
    await asyncio.sleep(1)
    assert await progressing(plane) == ("", "")


# -- recreate ---------------------------------------------------------------------------------


async def test_recreate_waits_until_no_old_pod_exists(plane: Any, deployment: Make) -> None:
    """With Recreate no new pod is created while an old one still terminates."""
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment(strategy={"type": "Recreate"}))
    await plane.until_complete()
    plane.kubelet.stop = 20.0
    await set_image(plane, "web:2")
    overlap = []

    async def all_new() -> bool:
        images = {image_of(pod) for pod in await plane.objects(POD)}
        overlap.append(images == {"web:1", "web:2"})
        return images == {"web:2"}

    await plane.until(all_new)
    await plane.until_complete()
    assert not any(overlap)


async def test_recreate_starts_from_nothing(plane: Any, deployment: Make) -> None:
    """The first ReplicaSet of a Recreate Deployment is made at once and filled."""
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment(2, strategy={"type": "Recreate"}))
    await plane.until_complete()
    assert await sizes(plane) == {"web:1": 2}


# -- things that go wrong ---------------------------------------------------------------------


async def test_a_pod_deleted_in_between_is_replaced(running: Any) -> None:
    """`kubectl delete pod`: the Deployment says it lacks one, and soon does not."""
    pod = (await running.pods())[0]
    await running.client.delete(POD, "default", name_of(pod))
    await asyncio.sleep(0.5)
    web = await running.get(DEPLOYMENT, "web")
    assert web["status"]["unavailableReplicas"] == 1
    assert web["status"]["terminatingReplicas"] == 1
    assert (get_condition(web, "Available") or {})["status"] == "False"
    await running.until_complete()


async def test_hash_collision_takes_another_name(
    plane: Any, deployment: Make, replica_set: Make
) -> None:
    """Somebody's ReplicaSet has our name: collisionCount goes up and another name is taken."""
    await plane.start(deployment_controller.build, replicaset.build)
    web = await plane.create(DEPLOYMENT, deployment(paused=True))
    taken = replica_set(1, image="other:1")
    taken["metadata"]["name"] = f"web-{pod_template_hash(web['spec']['template'])}"
    taken["spec"]["selector"]["matchLabels"] = {"app": "other"}
    taken["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    await plane.create(REPLICA_SET, taken)
    await plane.change(DEPLOYMENT, "web", {"paused": False})
    web = await plane.until_complete()
    mine = (await sets_by_image(plane))["web:1"]
    assert web["status"]["collisionCount"] == 1
    assert name_of(mine) == f"web-{pod_template_hash(web['spec']['template'], 1)}"
    assert (await plane.get(REPLICA_SET, name_of(taken)))["spec"]["replicas"] == 1


async def test_refused_pods_are_told_by_the_deployment(
    plane: Any, deployment: Make, monkeypatch: Any
) -> None:
    """Pods refused by the API: the Deployment carries its ReplicaSet's ReplicaFailure."""
    create = plane.client.create

    async def refuse_pods(resource: Any, namespace: str, obj: Object, **how: Any) -> Object:
        if resource == POD:
            raise Forbidden.of(POD, "web", "exceeded quota")
        created: Object = await create(resource, namespace, obj, **how)
        return created

    monkeypatch.setattr(plane.client, "create", refuse_pods)
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment())
    await asyncio.sleep(5)
    failure = get_condition(await plane.get(DEPLOYMENT, "web"), "ReplicaFailure") or {}
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")


async def test_refused_replica_set_is_told(plane: Any, deployment: Make, monkeypatch: Any) -> None:
    """A ReplicaSet refused by the API: Progressing is False with ReplicaSetCreateError."""
    create = plane.client.create

    async def refuse_sets(resource: Any, namespace: str, obj: Object, **how: Any) -> Object:
        if resource == REPLICA_SET:
            raise Forbidden.of(REPLICA_SET, "web", "not today")
        created: Object = await create(resource, namespace, obj, **how)
        return created

    monkeypatch.setattr(plane.client, "create", refuse_sets)
    await plane.start(deployment_controller.build, replicaset.build)
    await plane.create(DEPLOYMENT, deployment())
    await asyncio.sleep(5)
    assert await progressing(plane) == ("False", "ReplicaSetCreateError")
    assert "not today" in (await plane.events("ReplicaSetCreateError"))[0]


async def test_restarted_controllers_change_nothing(running: Any) -> None:
    """Controllers that start on a finished Deployment leave every object as it is."""
    before = [o["metadata"]["resourceVersion"] for o in await running.objects(REPLICA_SET)]
    again = deployment_controller.build(running.context)
    await again.start()
    await asyncio.sleep(10)
    await again.stop()
    assert [o["metadata"]["resourceVersion"] for o in await running.objects(REPLICA_SET)] == before
    assert not any(is_deleting(pod) for pod in await running.objects(POD))
