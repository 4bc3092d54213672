"""lightkube, a client that podready did not write, against the API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service
from lightkube.types import PatchType

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.protocol import PatchType as OurPatchType
from podready.kube.gvk import POD

T = TypeVar("T", Pod, Service, Deployment)

LABELS = {"app": "web"}
SPEC = {"containers": [{"name": "web", "image": "web:1"}]}


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[AsyncClient]:
    """lightkube's asynchronous client, from our kubeconfig."""
    made = AsyncClient(KubeConfig.from_file(kubeconfig).get(), trust_env=False)
    yield made
    await made.aclose()


def made_of(kind: type[T], value: dict[str, Any]) -> T:
    return cast(T, kind.from_dict(value))


def deployment() -> Deployment:
    return made_of(
        Deployment,
        {
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": SPEC},
            },
        },
    )


async def test_a_deployment_is_created_scaled_patched_and_deleted(client: AsyncClient) -> None:
    """What the rehearsal's driver does, with typed objects."""
    made = await client.create(deployment())
    assert made.spec is not None
    assert made.spec.replicas == 1
    scaled = await client.patch(Deployment.Scale, "web", {"spec": {"replicas": 3}})
    assert scaled.spec is not None
    assert scaled.spec.replicas == 3
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}
    patched = await client.patch(Deployment, "web", image, patch_type=PatchType.STRATEGIC)
    assert patched.spec is not None
    assert patched.spec.template.spec is not None
    assert patched.spec.template.spec.containers[0].image == "web:2"
    listed = [item.metadata.name async for item in client.list(Deployment) if item.metadata]
    assert listed == ["web"]
    await client.delete(Deployment, "web")
    with pytest.raises(ApiError) as caught:
        await client.get(Deployment, "web")
    assert caught.value.status.reason == "NotFound"


async def test_a_watch_follows_pods(client: AsyncClient) -> None:
    """lightkube lists nothing itself: it watches from a version on."""
    seen: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def follow() -> None:
        async for kind, pod in client.watch(Pod, resource_version="1", labels=dict(LABELS)):
            assert pod.metadata is not None
            seen.put_nowait((kind, str(pod.metadata.name)))

    following = asyncio.create_task(follow())
    pod = made_of(Pod, {"metadata": {"name": "p", "labels": LABELS}, "spec": SPEC})
    await client.create(pod)
    await client.delete(Pod, "p")
    async with asyncio.timeout(10):
        assert [await seen.get(), await seen.get()] == [("ADDED", "p"), ("DELETED", "p")]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_logs_are_read_line_by_line(
    client: AsyncClient, registry: Registry, logs: Any
) -> None:
    """Followed to the container's end."""
    pod = made_of(Pod, {"metadata": {"name": "p"}, "spec": SPEC})
    await client.create(pod)
    status = {"containerStatuses": [{"name": "web", "state": {"running": {}}}]}
    registry.patch(
        POD, "default", "p", {"status": status},
        patch_type=OurPatchType.MERGE, subresource="status",
    )  # fmt: skip
    logs.written["p", "web", False] = [b"one\n", b"two\n"]
    logs.more = [b"three\n"]
    logs.end.set()
    async with asyncio.timeout(10):
        lines = [line async for line in client.log("p", follow=True, tail_lines=1)]
    assert [line.strip() for line in lines] == ["two", "three"]


async def test_a_refusal_is_lightkubes_own_error(client: AsyncClient) -> None:
    """Invalid, with its causes."""
    service = made_of(Service, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 70000}]}})
    with pytest.raises(ApiError) as caught:
        await client.create(service)
    status = caught.value.status
    assert (status.code, status.reason) == (422, "Invalid")
    assert status.details is not None
    assert status.details.causes is not None
    assert status.details.causes[0].field == "spec.ports[0].port"
