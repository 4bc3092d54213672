"""A namespace is deleted with everything in it, and not before all of it is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from podready.cluster.controllers import deployment as deployment_controller
from podready.cluster.controllers import endpointslice, garbage, namespace, replicaset
from podready.kube.gvk import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SERVICE,
)
from podready.kube.meta import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.kube.meta import Object

    Make = Callable[..., Object]

CONTENT = (DEPLOYMENT, REPLICA_SET, POD, SERVICE, ENDPOINT_SLICE, CONFIG_MAP, EVENT)


async def names(plane: Any) -> list[str]:
    """Return the names of all namespaces."""
    return [name_of(ns) for ns in await plane.objects(NAMESPACE)]


async def left(plane: Any) -> int:
    """Return how many objects namespace `shop` holds."""
    return sum([len(await plane.objects(resource, "shop")) for resource in CONTENT])


async def test_everything_goes(plane: Any, deployment: Make) -> None:
    """Deployment, pods, Service, config: Terminating while pods end, then all is gone."""
    await plane.start(
        deployment_controller.build,
        replicaset.build,
        endpointslice.build,
        garbage.build,
        namespace.build,
    )
    await plane.create(NAMESPACE, {"metadata": {"name": "shop"}})
    web = deployment(2)
    web["metadata"]["namespace"] = "shop"
    await plane.create(DEPLOYMENT, web)
    config = {"metadata": {"name": "config", "namespace": "shop"}, "data": {"a": "b"}}
    await plane.create(CONFIG_MAP, config)
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    spec = {"selector": {"app": "web"}, "ports": ports}
    await plane.create(SERVICE, {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
    await asyncio.sleep(5)
    assert len(await plane.objects(POD, "shop")) == 2

    plane.kubelet.stop = 10.0
    await plane.client.delete(NAMESPACE, None, "shop")
    await asyncio.sleep(5)
    terminating = await plane.client.get(NAMESPACE, None, "shop")
    assert terminating["status"]["phase"] == "Terminating"
    assert len(await plane.objects(POD, "shop")) == 2

    async def gone() -> bool:
        return "shop" not in await names(plane)

    await plane.until(gone, within=20)
    assert await left(plane) == 0
    assert "default" in await names(plane)


async def test_an_empty_namespace_goes_at_once(plane: Any) -> None:
    """Nothing inside: gone within a moment."""
    await plane.start(namespace.build)
    await plane.create(NAMESPACE, {"metadata": {"name": "empty"}})
    await plane.client.delete(NAMESPACE, None, "empty")
    await asyncio.sleep(0.2)
    assert "empty" not in await names(plane)


async def test_deleted_while_nobody_looked(plane: Any) -> None:
    """A controller that starts later finishes what was begun."""
    await plane.create(NAMESPACE, {"metadata": {"name": "shop"}})
    await plane.create(CONFIG_MAP, {"metadata": {"name": "config", "namespace": "shop"}})
    await plane.client.delete(NAMESPACE, None, "shop")
    await plane.start(namespace.build)
    await asyncio.sleep(2)
    assert "shop" not in await names(plane)
