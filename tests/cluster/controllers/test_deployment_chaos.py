"""Rollouts that people interrupt: whatever they do and whenever, the promises of the spec hold."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from podready.cluster.controllers import deployment as deployment_controller
from podready.cluster.controllers import endpointslice, garbage, replicaset
from podready.cluster.reconcile.context import ControllerContext
from podready.cluster.reconcile.jitter import Jitter
from podready.kube.gvk import DEPLOYMENT, POD, REPLICA_SET
from podready.kube.meta import name_of
from podready.kube.rollout import bounds_of

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.kube.meta import Object

    Make = Callable[..., Object]

STRATEGIES: list[Object] = [
    {"maxSurge": "25%", "maxUnavailable": "25%"},
    {"maxSurge": 1, "maxUnavailable": 0},
    {"maxSurge": 0, "maxUnavailable": 2},
    {"maxSurge": "100%", "maxUnavailable": "50%"},
]


async def edit(plane: Any, image: str = "", **spec: Any) -> None:
    """ObjectChange the spec of Deployment web, and the image of its template, as kubectl would."""
    web = await plane.get(DEPLOYMENT, "web")
    web["spec"].update(spec)
    if image:
        web["spec"]["template"]["spec"]["containers"][0]["image"] = image
    await plane.client.update(DEPLOYMENT, "default", web)


async def start(plane: Any, seed: int, web: Object) -> None:
    """Start the controllers with this seed's delays and wait for the first rollout."""
    plane.context = ControllerContext(plane.client, plane.informers, plane.clock, Jitter(seed=seed))
    builds = (deployment_controller.build, replicaset.build, endpointslice.build, garbage.build)
    await plane.start(*builds)
    await plane.create(DEPLOYMENT, web)
    await plane.until_complete()


@pytest.mark.parametrize("seed", range(12))
async def test_bounds_hold_through_interrupted_rollouts(
    plane: Any, deployment: Make, seed: int
) -> None:
    """New images before the last one is out, pauses in between: the bounds hold all the while."""
    chance = random.Random(seed)
    rolling = {"type": "RollingUpdate", "rollingUpdate": chance.choice(STRATEGIES)}
    web = deployment(chance.randint(1, 7), strategy=rolling)
    await start(plane, seed, web)
    bounds, counts = bounds_of(web["spec"]), plane.watch_pods()
    for number in range(2, 16):
        plane.kubelet.start = chance.choice([0.5, 1.0, 3.0])
        await edit(plane, f"web:{number}")
        await edit(plane, paused=chance.random() < 0.25)
        await asyncio.sleep(chance.uniform(0, 6))
    await edit(plane, paused=False)
    await plane.until_complete()
    assert counts.least_available >= bounds.least
    assert counts.most_wanted <= bounds.most
    assert len(await plane.pods()) == bounds.replicas


@pytest.mark.parametrize("seed", range(8))
async def test_everything_settles(plane: Any, deployment: Make, seed: int) -> None:
    """Scaled, rolled and robbed of pods at random: in the end exactly the spec, once."""
    chance = random.Random(seed)
    await start(plane, seed, deployment(3))
    for _ in range(15):
        action = chance.choice(["scale", "image", "kill", "kill set"])
        if action == "scale":
            await edit(plane, replicas=chance.randint(0, 6))
        elif action == "image":
            await edit(plane, f"web:{chance.randint(1, 4)}")
        elif pods := await plane.pods():
            resource, victim = POD, chance.choice(pods)
            if action == "kill set":
                resource, victim = REPLICA_SET, chance.choice(await plane.objects(REPLICA_SET))
            await plane.client.delete(resource, "default", name_of(victim))
        await asyncio.sleep(chance.uniform(0, 3))
    web = await plane.until_complete()
    await asyncio.sleep(30)
    image = web["spec"]["template"]["spec"]["containers"][0]["image"]
    assert len(await plane.pods()) == len(await plane.pods(image)) == web["spec"]["replicas"]
    assert len(await plane.objects(POD)) == web["spec"]["replicas"]
