"""What every Client promises, in the process and over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from podready.cluster.client.protocol import Client, PatchType, WatchEvent
from podready.kube.gvk import CONFIG_MAP, DEPLOYMENT, NAMESPACE, NODE, POD
from podready.kube.status import AlreadyExists, BadRequest, Conflict, Gone, Invalid, NotFound

LABELS = {"app": "web"}
SPEC = {"containers": [{"name": "web", "image": "web:1"}]}


def pod(name: str = "p", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": SPEC}


def config(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


async def test_create_get_and_list(client: Client) -> None:
    """What was stored comes back whole, with its kind; lists select."""
    made = await client.create(POD, "default", pod("a", app="web"))
    await client.create(POD, "default", pod("b", app="api"))
    assert (made["kind"], made["apiVersion"]) == ("Pod", "v1")
    assert await client.get(POD, "default", "a") == made
    listed = await client.list(POD, "default", label_selector="app=web")
    assert listed.items == [made]
    assert int(listed.resource_version) > int(made["metadata"]["resourceVersion"])
    everywhere = await client.list(POD, field_selector="metadata.name=b")
    assert [item["metadata"]["name"] for item in everywhere.items] == ["b"]


async def test_what_is_returned_is_the_callers(client: Client) -> None:
    """Changing it changes nothing in the cluster."""
    made = await client.create(POD, "default", pod())
    made["spec"]["containers"].clear()
    listed = await client.list(POD, "default")
    listed.items[0]["spec"].clear()
    assert (await client.get(POD, "default", "p"))["spec"]["containers"]


async def test_errors_are_those_of_the_api(client: Client) -> None:
    """Each by its class, with Kubernetes' words."""
    with pytest.raises(NotFound, match='pods "p" not found'):
        await client.get(POD, "default", "p")
    made = await client.create(POD, "default", pod())
    with pytest.raises(AlreadyExists):
        await client.create(POD, "default", pod())
    with pytest.raises(Invalid) as caught:
        await client.create(POD, "default", {"metadata": {"name": "x"}, "spec": {}})
    assert [cause.field for cause in caught.value.causes] == ["spec.containers"]
    with pytest.raises(BadRequest):
        await client.list(POD, label_selector="a in b")
    await client.patch(POD, "default", "p", {"metadata": {"labels": {"x": "y"}}})
    with pytest.raises(Conflict):
        await client.update(POD, "default", made)
    with pytest.raises(Conflict):
        await client.delete(POD, "default", "p", uid="other")


async def test_update_status_and_scale(client: Client) -> None:
    """Subresources are written apart from the object."""
    template = {"metadata": {"labels": LABELS}, "spec": SPEC}
    spec = {"selector": {"matchLabels": LABELS}, "template": template}
    made = await client.create(DEPLOYMENT, "default", {"metadata": {"name": "d"}, "spec": spec})
    made["status"] = {"replicas": 2}
    made = await client.update(DEPLOYMENT, "default", made, subresource="status")
    assert made["status"] == {"replicas": 2}
    scale = {"metadata": {"name": "d"}, "spec": {"replicas": 5}}
    stored = await client.update(DEPLOYMENT, "default", scale, subresource="scale")
    assert (stored["kind"], stored["status"]["replicas"]) == ("Scale", 2)
    assert (await client.get(DEPLOYMENT, "default", "d"))["spec"]["replicas"] == 5


async def test_patches(client: Client) -> None:
    """Merge by default, strategic and JSON by name."""
    await client.create(POD, "default", pod())
    conditions = [{"type": "Ready", "status": "True"}]
    for condition in ({"type": "Initialized", "status": "True"}, conditions[0]):
        patched = await client.patch(
            POD, "default", "p", {"status": {"conditions": [condition]}},
            patch_type=PatchType.STRATEGIC, subresource="status",
        )  # fmt: skip
    assert len(patched["status"]["conditions"]) == 2
    operations = [{"op": "add", "path": "/metadata/labels/x", "value": "y"}]
    patched = await client.patch(POD, "default", "p", operations, patch_type=PatchType.JSON)
    assert patched["metadata"]["labels"] == {"x": "y"}
    patched = await client.patch(POD, "default", "p", {"metadata": {"labels": None}})
    assert "labels" not in patched["metadata"]


async def test_a_pod_is_bound_and_dies_gracefully(client: Client) -> None:
    """The scheduler's, the user's and the kubelet's calls, one after the other."""
    await client.create(POD, "default", pod())
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "node-1"}}
    await client.create(POD, "default", binding, subresource="binding")
    bound = await client.get(POD, "default", "p")
    assert bound["spec"]["nodeName"] == "node-1"
    await client.delete(POD, "default", "p", grace_period_seconds=9)
    dying = await client.get(POD, "default", "p")
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 9
    uid = dying["metadata"]["uid"]
    await client.delete(POD, "default", "p", grace_period_seconds=0, uid=uid)
    with pytest.raises(NotFound):
        await client.get(POD, "default", "p")


async def test_cluster_wide_objects_and_finalizers(client: Client) -> None:
    """Nodes have no namespace; a namespace ends with its finalize."""
    node = await client.create(NODE, None, {"metadata": {"name": "node-1"}})
    assert "namespace" not in node["metadata"]
    await client.create(NAMESPACE, None, {"metadata": {"name": "shop"}})
    await client.delete(NAMESPACE, None, "shop")
    dying = await client.get(NAMESPACE, None, "shop")
    dying["spec"]["finalizers"] = []
    await client.update(NAMESPACE, None, dying, subresource="finalize")
    with pytest.raises(NotFound):
        await client.get(NAMESPACE, None, "shop")


async def test_a_foreground_delete_waits_for_its_finalizer(client: Client) -> None:
    """Propagation reaches the registry."""
    await client.create(CONFIG_MAP, "default", config("c"))
    await client.delete(CONFIG_MAP, "default", "c", propagation="Foreground")
    held = await client.get(CONFIG_MAP, "default", "c")
    assert held["metadata"]["finalizers"] == ["foregroundDeletion"]


async def events_of(client: Client, version: str, count: int) -> list[WatchEvent]:
    """Return the next `count` events of ConfigMaps, bookmarks left out."""
    found: list[WatchEvent] = []
    watch: Any = client.watch(CONFIG_MAP, "default", resource_version=version)
    async with asyncio.timeout(10), aclosing(watch) as events:
        async for event in events:
            found += [event] if event.type != "BOOKMARK" else []
            if len(found) == count:
                break
    return found


async def test_a_watch_begins_after_its_version(client: Client) -> None:
    """What happened between list and watch is not lost; objects carry their kind."""
    await client.create(CONFIG_MAP, "default", config("old"))
    version = (await client.list(CONFIG_MAP, "default")).resource_version
    await client.create(CONFIG_MAP, "default", config("a", big="x" * 300_000))
    await client.delete(CONFIG_MAP, "default", "old")
    added, deleted = await events_of(client, version, 2)
    assert (added.type, added.object["metadata"]["name"]) == ("ADDED", "a")
    assert len(added.object["data"]["big"]) == 300_000
    assert (deleted.type, deleted.object["kind"]) == ("DELETED", "ConfigMap")


async def test_a_watch_from_too_long_ago_is_gone(client: Client) -> None:
    """The caller lists again."""
    version = (await client.list(CONFIG_MAP)).resource_version
    for n in range(25):
        await client.create(CONFIG_MAP, "default", config(f"c{n}"))
    with pytest.raises(Gone):
        await events_of(client, version, 1)
