"""What a Service leads to, from the first pod to the last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from podready.cluster.client.informer import Handler
from podready.cluster.controllers import deployment as deployment_controller
from podready.cluster.controllers import endpointslice, garbage, replicaset
from podready.kube.gvk import DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE
from podready.kube.meta import is_controlled_by, labels_of, name_of
from podready.kube.networking import MANAGED_BY, SERVICE_NAME
from podready.kube.status import Forbidden

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.kube.meta import Object

    Make = Callable[..., Object]

SERVICE_WEB: Object = {
    "metadata": {"name": "web", "labels": {"team": "a"}},
    "spec": {
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
    },
}


async def slices(plane: Any) -> list[Object]:
    """Return the slices of Service web."""
    found = await plane.objects(ENDPOINT_SLICE)
    return [s for s in found if labels_of(s).get(SERVICE_NAME) == "web"]


async def endpoints(plane: Any) -> dict[str, tuple[bool, bool, bool]]:
    """Return (ready, serving, terminating) by pod name."""
    return {
        e["targetRef"]["name"]: tuple(
            e["conditions"][c] for c in ("ready", "serving", "terminating")
        )
        for slice_ in await slices(plane)
        for e in slice_["endpoints"]
    }


async def has(plane: Any, *conditions: tuple[bool, bool, bool]) -> bool:
    """Whether the endpoints have exactly these conditions, in any order."""
    return sorted((await endpoints(plane)).values()) == sorted(conditions)


NOT_READY, READY = (False, False, False), (True, True, False)
SERVING_TERMINATING, TERMINATING = (False, True, True), (False, False, True)


@pytest.fixture
async def serving(plane: Any, deployment: Make) -> Any:
    """Return a control plane with Service web in front of two ready pods."""
    await plane.start(
        deployment_controller.build, replicaset.build, endpointslice.build, garbage.build
    )
    await plane.create(SERVICE, SERVICE_WEB)
    await plane.create(DEPLOYMENT, deployment(2))
    await plane.until(lambda: has(plane, READY, READY))
    return plane


async def test_a_slice_tells_all_about_its_pods(serving: Any) -> None:
    """One slice: labels, owner, the pods' own port number, their addresses and nodes."""
    (slice_,) = await slices(serving)
    service = await serving.get(SERVICE, "web")
    assert name_of(slice_).startswith("web-")
    assert labels_of(slice_) == {
        "team": "a",
        SERVICE_NAME: "web",
        MANAGED_BY: "endpointslice-controller.k8s.io",
    }
    assert is_controlled_by(slice_, service)
    assert slice_["addressType"] == "IPv4"
    assert slice_["ports"] == [{"name": "http", "port": 8000, "protocol": "TCP"}]
    pods = {name_of(pod): pod for pod in await serving.pods()}
    for endpoint in slice_["endpoints"]:
        pod = pods[endpoint["targetRef"]["name"]]
        assert endpoint["addresses"] == [pod["status"]["podIP"]]
        assert endpoint["targetRef"]["uid"] == pod["metadata"]["uid"]
        assert endpoint["nodeName"] == "node-0"


async def test_a_pod_is_listed_before_it_is_ready(plane: Any, deployment: Make) -> None:
    """With an IP and not ready it stands there, ready=false; ready turns true with the probe."""
    await plane.start(deployment_controller.build, replicaset.build, endpointslice.build)
    plane.kubelet.start = 5.0
    await plane.create(SERVICE, SERVICE_WEB)
    await plane.create(DEPLOYMENT, deployment(1))
    await plane.until(lambda: has(plane, NOT_READY), within=2)
    await plane.until(lambda: has(plane, READY), within=6)


async def test_deletion_goes_by_way_of_serving_and_terminating(serving: Any) -> None:
    """Deleted: at once ready=false, serving, terminating; gone when the pod has ended."""
    serving.kubelet.stop = 10.0
    pod = (await serving.pods())[0]
    await serving.client.delete(POD, "default", name_of(pod))

    async def left_the_ready() -> bool:
        return (await endpoints(serving))[name_of(pod)] == SERVING_TERMINATING

    await serving.until(left_the_ready, within=0.2)
    await serving.kubelet.set_ready(pod, False)  # the app drains: readyz answers 503

    async def ceased_to_serve() -> bool:
        return (await endpoints(serving))[name_of(pod)] == TERMINATING

    await serving.until(ceased_to_serve, within=0.2)
    await serving.until(lambda: has(serving, READY, READY), within=12)
    assert name_of(pod) not in await endpoints(serving)


async def test_failing_readiness_takes_a_pod_out(serving: Any) -> None:
    """Ready False: ready and serving turn false; True again: back in."""
    pod = (await serving.pods())[0]
    await serving.kubelet.set_ready(pod, False)
    await serving.until(lambda: has(serving, READY, NOT_READY), within=0.2)
    await serving.kubelet.set_ready(pod, True)
    await serving.until(lambda: has(serving, READY, READY), within=0.2)


async def test_a_rollout_never_leaves_the_service_empty(serving: Any) -> None:
    """Through a whole rolling update some endpoint is ready at every change of the slices."""
    fewest = [10]
    informer = serving.informers[ENDPOINT_SLICE]

    def note(_: Object) -> None:
        ready = [
            e["conditions"]["ready"] for s in informer.objects("default") for e in s["endpoints"]
        ]
        fewest.append(sum(ready))

    informer.add_handler(Handler.on_any(note))
    web = await serving.get(DEPLOYMENT, "web")
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    await serving.client.update(DEPLOYMENT, "default", web)
    await serving.until_complete()
    assert min(fewest) >= 2
    assert len(await slices(serving)) == 1


async def test_a_changed_port_makes_a_second_slice_for_a_while(serving: Any) -> None:
    """The new revision listens elsewhere: two slices during the rollout, one afterwards."""
    web = await serving.get(DEPLOYMENT, "web")
    web["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 9000
    await serving.client.update(DEPLOYMENT, "default", web)

    async def ports() -> list[int]:
        return sorted(p["port"] for s in await slices(serving) for p in s["ports"])

    async def both() -> bool:
        return await ports() == [8000, 9000]

    async def only_new() -> bool:
        return await ports() == [9000]

    await serving.until(both)
    await serving.until(only_new)


async def test_publish_not_ready_addresses(plane: Any, deployment: Make) -> None:
    """Such a Service lists pods as ready before they are."""
    await plane.start(deployment_controller.build, replicaset.build, endpointslice.build)
    plane.kubelet.broken = {"web:1"}
    spec = {**SERVICE_WEB["spec"], "publishNotReadyAddresses": True}
    await plane.create(SERVICE, {**SERVICE_WEB, "spec": spec})
    await plane.create(DEPLOYMENT, deployment(1))
    await plane.until(lambda: has(plane, (True, False, False)))


async def test_changed_selector_changes_the_endpoints(serving: Any) -> None:
    """A selector that matches nothing leaves one slice without endpoints."""
    service = await serving.get(SERVICE, "web")
    service["spec"]["selector"] = {"app": "none"}
    await serving.client.update(SERVICE, "default", service)
    await serving.until(lambda: has(serving))
    assert len(await slices(serving)) == 1


async def test_a_deleted_slice_comes_back(serving: Any) -> None:
    """Somebody deletes the slice: it is made again."""
    (slice_,) = await slices(serving)
    await serving.client.delete(ENDPOINT_SLICE, "default", name_of(slice_))
    await serving.until(lambda: has(serving, READY, READY))
    assert name_of((await slices(serving))[0]) != name_of(slice_)


async def test_slices_go_with_their_service(serving: Any) -> None:
    """The Service is deleted: its slices are garbage."""
    await serving.client.delete(SERVICE, "default", "web")

    async def none_left() -> bool:
        return await slices(serving) == []

    await serving.until(none_left)


async def test_services_without_selector_are_left_alone(plane: Any) -> None:
    """Who writes endpoints by hand gets none of ours."""
    await plane.start(endpointslice.build)
    spec = {"ports": SERVICE_WEB["spec"]["ports"]}
    await plane.create(SERVICE, {"metadata": {"name": "web"}, "spec": spec})
    await asyncio.sleep(2)
    assert await slices(plane) == []


async def test_a_refused_write_is_told_and_tried_again(serving: Any, monkeypatch: Any) -> None:
    """The API refuses an update: event FailedToUpdateEndpointSlices, true again once it may."""
    update, refuse = serving.client.update, True

    async def update_or_refuse(resource: Any, *what: Any, **how: Any) -> Object:
        if resource == ENDPOINT_SLICE and refuse:
            raise Forbidden.of(ENDPOINT_SLICE, "web", "not now")
        updated: Object = await update(resource, *what, **how)
        return updated

    monkeypatch.setattr(serving.client, "update", update_or_refuse)
    await serving.kubelet.set_ready((await serving.pods())[0], False)
    await asyncio.sleep(2)
    assert "not now" in (await serving.events("FailedToUpdateEndpointSlices"))[0]
    refuse = False
    await serving.until(lambda: has(serving, READY, NOT_READY))


async def test_quiet_pods_cause_no_writes(serving: Any) -> None:
    """A change of a pod that no slice shows (an annotation) writes nothing."""
    (before,) = await slices(serving)
    name = name_of((await serving.pods())[0])
    await serving.client.patch(POD, "default", name, {"metadata": {"annotations": {"a": "b"}}})
    await asyncio.sleep(2)
    (after,) = await slices(serving)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
