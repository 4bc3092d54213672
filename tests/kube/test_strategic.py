"""Strategic merge patches, with the directives that kubectl sends."""

from __future__ import annotations

from typing import Any

import pytest

from podready.kube.patch import PatchError
from podready.kube.strategic import strategic_merge


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def test_containers_merge_by_name() -> None:
    """`kubectl set image` names one container and its image; the rest of it stays."""
    original = pod(containers=[{"name": "a", "image": "1", "tty": True}, {"name": "b"}])
    patch = {"spec": {"containers": [{"name": "a", "image": "2"}, {"name": "c"}]}}
    assert strategic_merge(original, patch)["spec"]["containers"] == [
        {"name": "a", "image": "2", "tty": True},
        {"name": "b"},
        {"name": "c"},
    ]
    assert original["spec"]["containers"][0]["image"] == "1"


def test_each_list_has_its_own_key_at_any_depth() -> None:
    """Ports go by containerPort in a container and by port in a Service; env by name."""
    original = pod(
        containers=[
            {
                "name": "a",
                "ports": [{"containerPort": 80, "name": "x"}],
                "env": [{"name": "A", "value": "1"}],
            }
        ]
    )
    patch = {
        "spec": {
            "containers": [
                {
                    "name": "a",
                    "ports": [{"containerPort": 80, "name": "y"}],
                    "env": [{"name": "A", "$patch": "delete"}, {"name": "B", "value": "2"}],
                }
            ]
        }
    }
    assert strategic_merge(original, patch)["spec"]["containers"][0] == {
        "name": "a",
        "ports": [{"containerPort": 80, "name": "y"}],
        "env": [{"name": "B", "value": "2"}],
    }
    service = {"kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": 1}]}}
    patched = strategic_merge(service, {"spec": {"ports": [{"port": 80, "targetPort": 2}]}})
    assert patched["spec"]["ports"] == [{"port": 80, "targetPort": 2}]


def test_lists_without_a_key_are_replaced() -> None:
    """args and tolerations are atomic."""
    original = pod(containers=[{"name": "a", "args": ["1", "2"]}], tolerations=[{"key": "x"}])
    patch = {"spec": {"containers": [{"name": "a", "args": ["3"]}], "tolerations": []}}
    patched = strategic_merge(original, patch)["spec"]
    assert patched == {"containers": [{"name": "a", "args": ["3"]}], "tolerations": []}


def test_the_patch_orders_what_it_knows() -> None:
    """$setElementOrder: listed items in its order, others stay beside their old neighbours."""
    original = pod(containers=[{"name": n} for n in "asb"])
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}, {"name": "n"}],
            "containers": [{"name": "n"}],
        }
    }
    names = [c["name"] for c in strategic_merge(original, patch)["spec"]["containers"]]
    assert [n for n in names if n != "s"] == ["b", "a", "n"]
    assert "s" in names


def test_retain_keys_clears_what_a_union_held_before() -> None:
    """A Deployment that becomes Recreate loses its rollingUpdate."""
    original = {
        "kind": "Deployment",
        "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}},
    }
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(original, patch)["spec"]["strategy"] == {"type": "Recreate"}


def test_replace_and_delete_directives() -> None:
    """A map or a list can be replaced as a whole, or emptied."""
    original = pod(nodeSelector={"a": "1"}, containers=[{"name": "a"}], securityContext={"x": 1})
    patch = {
        "spec": {
            "nodeSelector": {"$patch": "replace", "b": "2"},
            "containers": [{"$patch": "replace"}, {"name": "z"}],
            "securityContext": {"$patch": "delete"},
        }
    }
    assert strategic_merge(original, patch)["spec"] == {
        "nodeSelector": {"b": "2"},
        "containers": [{"name": "z"}],
        "securityContext": {},
    }


def test_plain_values_in_merged_lists() -> None:
    """finalizers are a set: added once, taken out by $deleteFromPrimitiveList."""
    original = {"kind": "Pod", "metadata": {"finalizers": ["a", "b"]}}
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["b", "c"]}}
    assert strategic_merge(original, patch)["metadata"]["finalizers"] == ["b", "c"]


def test_null_deletes_and_conditions_merge_by_type() -> None:
    """A kubelet patches one condition and removes a field."""
    original = {
        "kind": "Pod",
        "status": {"podIP": "1", "conditions": [{"type": "Ready", "status": "False"}]},
    }
    patch = {"status": {"podIP": None, "conditions": [{"type": "Ready", "status": "True"}]}}
    patched = strategic_merge(original, patch)["status"]
    assert patched == {"conditions": [{"type": "Ready", "status": "True"}]}


def test_a_list_item_without_its_key_is_refused() -> None:
    """Nobody can say which container is meant."""
    with pytest.raises(PatchError, match="merge key: name"):
        strategic_merge(pod(containers=[]), {"spec": {"containers": [{"image": "x"}]}})
    with pytest.raises(PatchError, match="directive"):
        strategic_merge(pod(), {"spec": {"$patch": "nap"}})
