"""The verbs of the API, without HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podready.cluster.apiserver.deletion import DeleteOptions
from podready.cluster.apiserver.registry import Registry
from podready.cluster.apiserver.watching import Selection
from podready.cluster.client.protocol import PatchType
from podready.kube.gvk import (
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    SERVICE,
    Resource,
)
from podready.kube.status import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
)

LABELS = {"app": "web"}
POD_SPEC: dict[str, Any] = {"containers": [{"name": "web", "image": "web:1"}]}


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": dict(LABELS)}, "spec": POD_SPEC | spec}


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": dict(LABELS)}, "spec": POD_SPEC}
    selector = {"matchLabels": dict(LABELS)}
    return {
        "metadata": {"name": name},
        "spec": {"selector": selector, "template": template} | spec,
    }


def merge(registry: Registry, resource: Resource, name: str, patch: Any, **how: Any) -> Any:
    return registry.patch(resource, "default", name, patch, patch_type=PatchType.MERGE, **how)


def test_a_new_cluster_has_its_namespaces_and_the_service_of_its_api(registry: Registry) -> None:
    """default/kubernetes has the first address of the service network."""
    names = [n["metadata"]["name"] for n in registry.list(NAMESPACE, Selection()).items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    service = registry.get(SERVICE, "default", "kubernetes")
    assert service["spec"]["clusterIP"] == "10.96.0.1"


def test_create_completes_an_object(registry: Registry) -> None:
    """Kind, namespace, uid, creation time, generation, defaults, first status."""
    made = registry.create(POD, "default", {"metadata": {"generateName": "p-"}, "spec": POD_SPEC})
    meta = made["metadata"]
    assert (made["apiVersion"], made["kind"], meta["namespace"]) == ("v1", "Pod", "default")
    assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert (meta["generation"], len(meta["uid"]), len(meta["name"])) == (1, 36, 7)
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    with pytest.raises(AlreadyExists):
        registry.create(POD, "default", pod(meta["name"]))
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    made = registry.create(SERVICE, "default", service)
    assert made["status"] == {"loadBalancer": {}}


def test_a_status_sent_with_create_is_dropped_but_a_nodes_is_kept(registry: Registry) -> None:
    """A kubelet registers its node with a status; nobody else writes one that way."""
    made = registry.create(POD, "default", pod() | {"status": {"phase": "Running"}})
    assert made["status"]["phase"] == "Pending"
    node = {"metadata": {"name": "node-1"}, "status": {"nodeInfo": {"kubeletVersion": "v1"}}}
    assert registry.create(NODE, None, node)["status"]["nodeInfo"]["kubeletVersion"] == "v1"


def test_what_create_refuses(registry: Registry) -> None:
    """Wrong kind, another namespace, no such namespace, a dying one, an invalid object."""
    with pytest.raises(BadRequest, match="kind"):
        registry.create(POD, "default", pod() | {"kind": "Node"})
    with pytest.raises(BadRequest, match="namespace of the provided object"):
        registry.create(POD, "default", {"metadata": {"name": "p", "namespace": "x"}})
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        registry.create(POD, "nowhere", pod())
    with pytest.raises(Invalid, match=r"spec\.containers: Required value"):
        registry.create(POD, "default", pod(containers=[]))
    registry.create(NAMESPACE, None, {"metadata": {"name": "dying"}})
    registry.delete(NAMESPACE, None, "dying", DeleteOptions())
    with pytest.raises(Forbidden, match="being terminated"):
        registry.create(POD, "dying", pod())


def test_a_dry_run_stores_nothing(registry: Registry) -> None:
    """The whole pipeline, and then nothing."""
    made = registry.create(DEPLOYMENT, "default", deployment(), dry_run=True)
    assert made["spec"]["replicas"] == 1
    with pytest.raises(NotFound):
        registry.get(DEPLOYMENT, "default", "web")
    registry.create(DEPLOYMENT, "default", deployment())
    merge(registry, DEPLOYMENT, "web", {"spec": {"replicas": 5}}, dry_run=True)
    registry.delete(DEPLOYMENT, "default", "web", DeleteOptions(dry_run=True))
    assert registry.get(DEPLOYMENT, "default", "web")["spec"]["replicas"] == 1


def test_generation_counts_what_is_wanted_not_what_is(registry: Registry) -> None:
    """A spec change bumps it; labels, status and writes that change nothing do not."""
    registry.create(DEPLOYMENT, "default", deployment())
    merge(registry, DEPLOYMENT, "web", {"metadata": {"labels": {"a": "b"}}})
    merge(registry, DEPLOYMENT, "web", {"status": {"replicas": 1}}, subresource="status")
    assert registry.get(DEPLOYMENT, "default", "web")["metadata"]["generation"] == 1
    changed = merge(registry, DEPLOYMENT, "web", {"spec": {"replicas": 2}})
    assert changed["metadata"]["generation"] == 2
    before = registry.store.revision
    merge(registry, DEPLOYMENT, "web", {"spec": {"replicas": 2}})
    assert registry.store.revision == before


def test_status_and_spec_are_written_apart(registry: Registry) -> None:
    """A spec write cannot touch the status, nor a status write the spec."""
    made = registry.create(DEPLOYMENT, "default", deployment())
    made = registry.update(
        DEPLOYMENT,
        "default",
        made | {"status": {"replicas": 3}, "spec": {}},
        subresource="status",
    )
    assert (made["status"], made["spec"]["replicas"]) == ({"replicas": 3}, 1)
    both = made | {"status": {}, "spec": made["spec"] | {"replicas": 4}}
    made = registry.update(DEPLOYMENT, "default", both)
    assert (made["status"], made["spec"]["replicas"]) == ({"replicas": 3}, 4)


def test_a_stale_update_is_a_conflict_and_an_unversioned_one_is_not(registry: Registry) -> None:
    """resourceVersion and uid are preconditions where they are sent."""
    made = registry.create(CONFIG_MAP, "default", {"metadata": {"name": "c"}})
    merge(registry, CONFIG_MAP, "c", {"data": {"a": "1"}})
    with pytest.raises(Conflict, match="the object has been modified"):
        registry.update(CONFIG_MAP, "default", made)
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    with pytest.raises(Conflict):
        merge(registry, CONFIG_MAP, "c", stale)
    with pytest.raises(Conflict, match="Precondition failed: UID"):
        registry.update(CONFIG_MAP, "default", {"metadata": {"name": "c", "uid": "other"}})
    free = registry.update(CONFIG_MAP, "default", {"metadata": {"name": "c"}, "data": {"b": "2"}})
    assert free["data"] == {"b": "2"}
    assert free["metadata"]["uid"] == made["metadata"]["uid"]


def test_patches_of_every_type(registry: Registry) -> None:
    """Strategic, merge and JSON; a bad one is a BadRequest, a failed test Invalid."""
    registry.create(DEPLOYMENT, "default", deployment())

    def patched(patch: Any, patch_type: PatchType) -> Any:
        return registry.patch(DEPLOYMENT, "default", "web", patch, patch_type=patch_type)

    containers = [{"name": "web", "image": "web:2"}]
    strategic = {"spec": {"template": {"spec": {"containers": containers}}}}
    made = patched(strategic, PatchType.STRATEGIC)
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    made = patched([{"op": "add", "path": "/spec/paused", "value": True}], PatchType.JSON)
    assert made["spec"]["paused"] is True
    with pytest.raises(Invalid, match="testing value"):
        patched([{"op": "test", "path": "/spec/paused", "value": False}], PatchType.JSON)
    with pytest.raises(BadRequest, match="path does not exist"):
        patched([{"op": "remove", "path": "/spec/none"}], PatchType.JSON)
    with pytest.raises(BadRequest, match="JSON object"):
        patched([], PatchType.MERGE)
    with pytest.raises(Invalid, match="field is immutable"):
        patched({"spec": {"selector": {"matchLabels": {"x": "y"}}}}, PatchType.MERGE)
    with pytest.raises(BadRequest, match="does not match the name"):
        patched({"metadata": {"name": "other"}}, PatchType.MERGE)


def test_scale_is_a_view_on_replicas(registry: Registry) -> None:
    """Read, patched and replaced; a stale or negative one is refused."""
    registry.create(DEPLOYMENT, "default", deployment())
    scale = registry.get(DEPLOYMENT, "default", "web", "scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale", {"replicas": 1}, "app=web",
    )  # fmt: skip
    merge(registry, DEPLOYMENT, "web", {"spec": {"replicas": 3}}, subresource="scale")
    made = registry.get(DEPLOYMENT, "default", "web")
    assert (made["spec"]["replicas"], made["metadata"]["generation"]) == (3, 2)
    with pytest.raises(Conflict):
        registry.update(DEPLOYMENT, "default", scale, subresource="scale")
    with pytest.raises(Invalid, match="greater than or equal to 0"):
        merge(registry, DEPLOYMENT, "web", {"spec": {"replicas": -1}}, subresource="scale")


def bind(registry: Registry, name: str = "p", node: str = "node-1") -> Any:
    binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
    return registry.create(POD, "default", binding, subresource="binding")


def test_a_pod_is_bound_once(registry: Registry) -> None:
    """The binding sets nodeName and PodScheduled; a second one is a conflict."""
    registry.create(POD, "default", pod())
    made = bind(registry)
    assert made["spec"]["nodeName"] == "node-1"
    assert made["status"]["conditions"][0]["type"] == "PodScheduled"
    with pytest.raises(Conflict, match="already assigned to node"):
        bind(registry, node="node-2")
    with pytest.raises(NotFound):
        registry.create(POD, "default", pod(), subresource="nap")


def test_a_scheduled_pod_dies_gracefully(registry: Registry, clock: Any) -> None:
    """deletionTimestamp = now + grace; generation moves; a later delete only shortens."""
    registry.create(POD, "default", pod(terminationGracePeriodSeconds=20))
    bind(registry)
    last, gone = registry.delete(POD, "default", "p", DeleteOptions())
    meta = last["metadata"]
    assert not gone
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"]) == (
        "2026-01-01T00:00:20Z", 20,
    )  # fmt: skip
    assert meta["generation"] == 2
    clock.pass_seconds(5)
    last, _ = registry.delete(POD, "default", "p", DeleteOptions(grace_period_seconds=60))
    assert last["metadata"]["deletionGracePeriodSeconds"] == 20
    last, gone = registry.delete(POD, "default", "p", DeleteOptions(grace_period_seconds=8))
    assert last["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:08Z"
    assert not gone
    assert registry.delete(POD, "default", "p", DeleteOptions())[1] is False
    assert registry.delete(POD, "default", "p", DeleteOptions(grace_period_seconds=0))[1] is True
    with pytest.raises(NotFound):
        registry.get(POD, "default", "p")


def test_pods_that_nobody_runs_go_at_once(registry: Registry) -> None:
    """Never scheduled, or already ended: there is no kubelet to wait for."""
    registry.create(POD, "default", pod())
    assert registry.delete(POD, "default", "p", DeleteOptions())[1]
    registry.create(POD, "default", pod())
    bind(registry)
    merge(registry, POD, "p", {"status": {"phase": "Succeeded"}}, subresource="status")
    assert registry.delete(POD, "default", "p", DeleteOptions())[1]


def test_delete_preconditions(registry: Registry) -> None:
    """A uid names one life of a name."""
    made = registry.create(POD, "default", pod())
    with pytest.raises(Conflict, match="UID in precondition: other"):
        registry.delete(POD, "default", "p", DeleteOptions(uid="other"))
    options = DeleteOptions(
        uid=made["metadata"]["uid"], resource_version=made["metadata"]["resourceVersion"]
    )
    assert registry.delete(POD, "default", "p", options)[1]


@pytest.mark.parametrize(
    ("propagation", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
def test_the_garbage_collector_holds_objects_by_finalizers(
    registry: Registry, propagation: str, finalizer: str
) -> None:
    """Foreground and Orphan deletes wait until their finalizer is taken out."""
    registry.create(DEPLOYMENT, "default", deployment())
    options = DeleteOptions(propagation=propagation)
    last, gone = registry.delete(DEPLOYMENT, "default", "web", options)
    assert not gone
    assert last["metadata"]["finalizers"] == [finalizer]
    assert last["metadata"]["deletionTimestamp"]
    merge(registry, DEPLOYMENT, "web", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        registry.get(DEPLOYMENT, "default", "web")


def test_a_namespace_waits_for_its_finalize(registry: Registry) -> None:
    """Terminating first, gone when /finalize empties spec.finalizers and not before."""
    registry.create(NAMESPACE, None, {"metadata": {"name": "shop"}})
    last, gone = registry.delete(NAMESPACE, None, "shop", DeleteOptions())
    assert (gone, last["status"]["phase"]) == (False, "Terminating")
    registry.update(NAMESPACE, None, {"metadata": {"name": "shop"}, "spec": {}})
    last = registry.get(NAMESPACE, None, "shop")
    assert last["spec"]["finalizers"] == ["kubernetes"]
    empty = last | {"spec": {"finalizers": []}}
    registry.update(NAMESPACE, None, empty, subresource="finalize")
    with pytest.raises(NotFound):
        registry.get(NAMESPACE, None, "shop")


def test_eviction_is_a_delete_that_says_why(registry: Registry) -> None:
    """DisruptionTarget is set, then the pod dies as by any delete."""
    registry.create(POD, "default", pod())
    bind(registry)
    eviction = {"metadata": {"name": "p"}, "deleteOptions": {"gracePeriodSeconds": 7}}
    registry.create(POD, "default", eviction, subresource="eviction")
    evicted = registry.get(POD, "default", "p")
    assert evicted["metadata"]["deletionGracePeriodSeconds"] == 7
    assert "DisruptionTarget" in [c["type"] for c in evicted["status"]["conditions"]]


def test_services_get_addresses_of_their_own(registry: Registry) -> None:
    """Kept over updates, refused when taken, given back by deletion."""
    spec = {"ports": [{"port": 80}]}

    def create(name: str, **more: Any) -> Any:
        service = {"metadata": {"name": name}, "spec": spec | more}
        return registry.create(SERVICE, "default", service)["spec"]

    first = create("a")["clusterIP"]
    assert first == "10.96.0.11"  # the tenth is the DNS server's
    assert create("b")["clusterIP"] == "10.96.0.12"
    assert create("headless", clusterIP="None")["clusterIPs"] == ["None"]
    with pytest.raises(Invalid, match="already allocated"):
        create("c", clusterIP=first)
    with pytest.raises(Invalid, match="not in the valid range"):
        create("c", clusterIP="192.168.1.1")
    assert create("c", type="NodePort")["ports"][0]["nodePort"] == 30000
    kept = registry.update(
        SERVICE, "default", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}]}}
    )
    assert kept["spec"]["clusterIP"] == first
    registry.delete(SERVICE, "default", "a", DeleteOptions())
    assert create("d")["clusterIP"] == first


def test_plain_text_secrets_are_encoded(registry: Registry) -> None:
    """stringData is write-only: it goes into data and is never stored itself."""
    secret = {"metadata": {"name": "s"}, "stringData": {"key": "välue"}}
    made = registry.create(SECRET, "default", secret)
    assert "stringData" not in made
    assert base64.b64decode(made["data"]["key"]).decode() == "välue"
    assert made["type"] == "Opaque"


async def test_watches_follow_a_selection(registry: Registry) -> None:
    """An object that leaves the selection is DELETED for it, one that comes is ADDED."""
    selection = Selection.parse(POD, "default", "app=web", "")
    stream = registry.watch(POD, selection, str(registry.store.revision))
    registry.create(POD, "default", pod("a"))
    merge(registry, POD, "a", {"metadata": {"labels": {"app": "api"}}})
    merge(registry, POD, "a", {"metadata": {"annotations": {"x": "y"}}})
    merge(registry, POD, "a", {"metadata": {"labels": {"app": "web"}}})
    registry.delete(POD, "default", "a", DeleteOptions())
    events = [await stream.next() for _ in range(4)]
    assert [e.type for e in events if e] == ["ADDED", "DELETED", "ADDED", "DELETED"]
    assert await stream.next_within(0.01) is None
    stream.close()
    assert await stream.next() is None


async def test_a_watch_list_begins_with_what_there_is(registry: Registry) -> None:
    """ADDED for each object, then the bookmark that ends the list."""
    registry.create(POD, "default", pod("a"))
    stream = registry.watch(POD, Selection("default"), "", initial_events=True, end_bookmark=True)
    first, second = await stream.next(), await stream.next()
    assert first is not None
    assert second is not None
    assert (first.type, second.type) == ("ADDED", "BOOKMARK")
    assert second.object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    stream.close()


def test_bad_selectors_and_versions_are_refused(registry: Registry) -> None:
    """A typo in a query is never everything."""
    with pytest.raises(BadRequest, match="field label not supported"):
        Selection.parse(POD, None, "", "spec.colour=red")
    with pytest.raises(BadRequest, match="label selector"):
        Selection.parse(POD, None, "a in b", "")
    with pytest.raises(BadRequest, match="invalid resource version"):
        registry.watch(POD, Selection(), "x")


def test_history_is_bounded() -> None:
    """A watch from long ago is Gone."""
    from podready.cluster.store.store import Store

    registry = Registry(Store(history=2))
    start = str(registry.store.revision)
    for n in range(3):
        registry.create(CONFIG_MAP, "default", {"metadata": {"name": f"c{n}"}})
    with pytest.raises(Gone):
        registry.watch(CONFIG_MAP, Selection(), start)
