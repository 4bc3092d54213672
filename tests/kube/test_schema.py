"""Unknown and mistyped fields, found by the table of the API's own types."""

from __future__ import annotations

from typing import Any

from podready.kube import schema
from podready.kube.gvk import RESOURCES


def deployment(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "labels": {"any": "thing"}},
        "spec": {"template": {"spec": {"containers": [{"name": "a", **container}]}}},
    }


def test_every_kind_we_serve_is_in_the_table() -> None:
    """A kind without its fields would let every typo pass."""
    assert [r.kind for r in RESOURCES if r.kind not in schema.types()] == []


def test_unknown_fields_are_named_with_their_path() -> None:
    """Inside lists and maps of objects, but never inside maps of plain values."""
    found = deployment(livenesProbe={}, resources={"limits": {"cpu": "1", "any/thing": 2}})
    found["spec"]["replica"] = 1
    assert sorted(schema.unknown_fields(found)) == [
        "spec.replica",
        "spec.template.spec.containers[0].livenesProbe",
    ]
    assert schema.unknown_fields({"kind": "Unheard", "x": 1}) == []


def test_unknown_fields_are_pruned_in_place() -> None:
    """As a real API server drops what it does not know."""
    found = deployment(livenesProbe={}, image="x")
    assert schema.prune_unknown(found) == ["spec.template.spec.containers[0].livenesProbe"]
    assert found == deployment(image="x")


def test_values_of_the_wrong_type_are_found() -> None:
    """Numbers in quotes, a bare word for a list, true for a number."""
    found = deployment(args="run", ports=[{"containerPort": "80"}], tty="yes", image=None)
    found["spec"]["replicas"] = True
    wrong = {(m.path, m.found, m.wanted) for m in schema.mistyped_fields(found)}
    container = "spec.template.spec.containers[0]"
    assert wrong == {
        (f"{container}.args", "string", "[]string"),
        (f"{container}.ports[0].containerPort", "string", "integer"),
        (f"{container}.tty", "string", "boolean"),
        ("spec.replicas", "bool", "integer"),
    }


def test_ports_may_be_names_and_quantities_numbers() -> None:
    """IntOrString and Quantity take both forms."""
    probe = {"httpGet": {"port": "http"}}
    resources = {"limits": {"cpu": 1, "memory": "1Gi"}}
    assert schema.mistyped_fields(deployment(livenessProbe=probe, resources=resources)) == []


def test_merge_keys_are_kubernetes_own() -> None:
    """The table that strategic merge patches live by."""
    types = schema.types()
    assert types["PodSpec"].merge["containers"] == "name"
    assert types["Container"].merge["ports"] == "containerPort"
    assert types["ServiceSpec"].merge["ports"] == "port"
    assert types["ObjectMeta"].merge["finalizers"] == ""
    assert types["DeploymentSpec"].retain == ("strategy",)
    assert "tolerations" not in types["PodSpec"].merge
