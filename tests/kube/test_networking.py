"""Endpoints: who is in, in which condition, in which slice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.kube.meta import Object
from podready.kube.networking import (
    HEADLESS,
    MANAGED_BY,
    MAX_ENDPOINTS,
    SERVICE_NAME,
    SlicePlan,
    endpoint_conditions,
    endpoint_of,
    is_endpoint,
    is_selecting,
    plan_slices,
    resolve_target_port,
    slice_labels,
)


def make_service(**spec: Any) -> Object:
    """Return Service `web` that selects app=web on its named port."""
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    return {
        "metadata": {"name": "web", "namespace": "ns", "uid": "s", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "web"}, "ports": [port], **spec},
    }


def make_pod(name: str, *, ready: bool = True, deleted: bool = False, port: int = 8000) -> Object:
    """Return a pod whose port `http` is `port`."""
    meta: Object = {"name": name, "namespace": "ns", "uid": f"uid-{name}"}
    if deleted:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    container = {"name": "web", "ports": [{"name": "http", "containerPort": port}]}
    condition = {"type": "Ready", "status": str(ready)}
    return {
        "metadata": meta,
        "spec": {"nodeName": "node", "containers": [container]},
        "status": {"phase": "Running", "podIP": f"10.0.0.{name}", "conditions": [condition]},
    }


def stored(plan: SlicePlan) -> list[Object]:
    """Return the created slices as the API server would store them."""
    return [
        {**s, "metadata": {**s["metadata"], "name": f"web-{i}", "resourceVersion": "1"}}
        for i, s in enumerate(plan.create)
    ]


@pytest.mark.parametrize(
    ("ready", "deleted", "publish", "expected"),
    [
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (True, True, True, (True, True, True)),
    ],
)
def test_conditions(
    ready: bool, deleted: bool, publish: bool, expected: tuple[bool, bool, bool]
) -> None:
    """A deleted pod that is still Ready is serving and terminating, and no longer ready."""
    found = endpoint_conditions(
        make_pod("1", ready=ready, deleted=deleted), publish_not_ready=publish
    )
    assert (found["ready"], found["serving"], found["terminating"]) == expected


@pytest.mark.parametrize(
    ("status", "inside"),
    [
        ({"phase": "Running", "podIP": "10.0.0.1"}, True),
        ({"phase": "Pending", "podIP": "10.0.0.1"}, True),
        ({"phase": "Running"}, False),
        ({"phase": "Succeeded", "podIP": "10.0.0.1"}, False),
        ({"phase": "Failed", "podIP": "10.0.0.1"}, False),
    ],
)
def test_included_pods(status: Object, inside: bool) -> None:
    """A pod stands in a slice from its IP until it has ended."""
    assert is_endpoint({"metadata": {}, "spec": {}, "status": status}) is inside


def test_target_ports() -> None:
    """A number is itself, none means the port, a name is looked up per pod and protocol."""
    pod = make_pod("1", port=8123)
    sidecar = {"name": "s", "restartPolicy": "Always", "ports": [{"name": "m", "containerPort": 9}]}
    init = {"name": "i", "ports": [{"name": "gone", "containerPort": 1}]}
    pod["spec"]["initContainers"] = [init, sidecar]
    assert resolve_target_port({"port": 80, "targetPort": 81}, pod) == 81
    assert resolve_target_port({"port": 80}, pod) == 80
    assert resolve_target_port({"port": 80, "targetPort": "http"}, pod) == 8123
    assert resolve_target_port({"port": 80, "targetPort": "m"}, pod) == 9
    assert resolve_target_port({"port": 80, "targetPort": "gone"}, pod) is None
    assert resolve_target_port({"port": 80, "targetPort": "http", "protocol": "UDP"}, pod) is None


def test_only_selectors_select() -> None:
    """Services without selector, and ExternalName ones, have no endpoints of ours."""
    assert is_selecting(make_service())
    assert not is_selecting(make_service(selector={}))
    assert not is_selecting(make_service(type="ExternalName"))


def test_a_pod_with_a_name_of_its_own() -> None:
    """hostname counts only under the Service that is the pod's subdomain (ShouldSetHostname)."""
    pod = make_pod("1")
    pod["spec"] |= {"hostname": "one", "subdomain": "web"}
    assert endpoint_of(make_service(), pod)["hostname"] == "one"
    pod["spec"]["subdomain"] = "other"
    assert "hostname" not in endpoint_of(make_service(), pod)


def test_labels() -> None:
    """A slice bears the Service's labels, its name and its manager; headless says so."""
    labels = slice_labels(make_service(clusterIP="None"))
    assert labels["team"] == "a"
    assert labels[SERVICE_NAME] == "web"
    assert labels[MANAGED_BY] == "endpointslice-controller.k8s.io"
    assert labels[HEADLESS] == ""


def test_one_slice_for_one_port_set() -> None:
    """Two pods on the same port stand in one slice, owned by the Service."""
    plan = plan_slices(make_service(), [make_pod("2"), make_pod("1")], [])
    (created,) = plan.create
    assert created["metadata"]["generateName"] == "web-"
    assert created["metadata"]["ownerReferences"][0]["uid"] == "s"
    assert created["addressType"] == "IPv4"
    assert created["ports"] == [{"name": "http", "port": 8000, "protocol": "TCP"}]
    assert [e["addresses"] for e in created["endpoints"]] == [["10.0.0.1"], ["10.0.0.2"]]
    assert created["endpoints"][0]["targetRef"]["name"] == "1"


def test_other_numbers_other_slices() -> None:
    """A rollout that changes the named port puts old and new pods into two slices."""
    plan = plan_slices(make_service(), [make_pod("1"), make_pod("2", port=9000)], [])
    assert [s["ports"][0]["port"] for s in plan.create] == [8000, 9000]


def test_nothing_to_do_when_nothing_changed() -> None:
    """The plan of the same pods is empty, whatever order they come in."""
    pods = [make_pod("1"), make_pod("2")]
    existing = stored(plan_slices(make_service(), pods, []))
    assert plan_slices(make_service(), pods[::-1], existing) == SlicePlan()


def test_condition_change_updates_in_place() -> None:
    """A deleted pod's endpoint changes its conditions and keeps its place."""
    pods = [make_pod("1"), make_pod("2")]
    existing = stored(plan_slices(make_service(), pods, []))
    plan = plan_slices(make_service(), [make_pod("1", deleted=True), pods[1]], existing)
    (updated,) = plan.update
    assert not plan.create
    assert not plan.delete
    assert updated["metadata"]["resourceVersion"] == "1"
    assert updated["endpoints"][0]["conditions"]["terminating"] is True
    assert updated["endpoints"][1]["conditions"]["terminating"] is False


def test_service_without_pods_keeps_an_empty_slice() -> None:
    """No pods: one slice without ports and endpoints; with pods it makes way."""
    plan = plan_slices(make_service(), [], [])
    assert [(s["ports"], s["endpoints"]) for s in plan.create] == [([], [])]
    existing = stored(plan)
    assert plan_slices(make_service(), [], existing) == SlicePlan()
    filled = plan_slices(make_service(), [make_pod("1")], existing)
    assert len(filled.create) == 1
    assert filled.delete == existing


def test_changed_service_labels_reach_the_slice() -> None:
    """A new label of the Service is copied to its slices."""
    pods = [make_pod("1")]
    existing = stored(plan_slices(make_service(), pods, []))
    service = make_service()
    service["metadata"]["labels"]["tier"] = "front"
    (updated,) = plan_slices(service, pods, existing).update
    assert updated["metadata"]["labels"]["tier"] == "front"


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(0, 250), st.integers(0, 250))
def test_slices_hold_every_endpoint_once(before: int, after: int) -> None:
    """However many pods come and go, each stands in exactly one slice of at most 100."""
    first = plan_slices(make_service(), [make_pod(str(i)) for i in range(before)], [])
    existing = stored(first)
    pods = [make_pod(str(i)) for i in range(before // 2, before // 2 + after)]
    plan = plan_slices(make_service(), pods, existing)
    touched = {s["metadata"]["name"] for s in (*plan.update, *plan.delete)}
    kept = [s for s in existing if s["metadata"]["name"] not in touched]
    slices = [*kept, *plan.update, *plan.create]
    found = [e["targetRef"]["name"] for s in slices for e in s["endpoints"]]
    assert sorted(found) == sorted(pod["metadata"]["name"] for pod in pods)
    assert all(len(s["endpoints"]) <= MAX_ENDPOINTS for s in slices)
    assert slices
