"""What the API server refuses, in its own words."""

# ruff: noqa: E501 - one case a line reads best

from __future__ import annotations

from typing import Any

import pytest

from podready.kube.defaults import apply_defaults
from podready.kube.gvk import (
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE,
    Resource,
)
from podready.kube.meta import copy_of
from podready.kube.validation import validate, validate_update


def made(resource: Resource, **rest: Any) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": "web", "namespace": "default"},
    }
    obj |= copy_of(rest)
    apply_defaults(obj)
    return obj


def pod(**container: Any) -> dict[str, Any]:
    return made(POD, spec={"containers": [{"name": "a", "image": "x", **container}]})


def deployment(**spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "a", "image": "x"}]},
    }
    return made(
        DEPLOYMENT, spec={"selector": {"matchLabels": labels}, "template": template, **spec}
    )


def problems(resource: Resource, obj: dict[str, Any]) -> list[str]:
    return [f"{e.path}: {e.message}" for e in validate(resource, obj)]


def test_good_objects_have_no_mistakes() -> None:
    """A pod with all the parts, a Deployment, a Service, a Secret."""
    full = pod(
        ports=[{"containerPort": 80, "name": "http"}],
        env=[{"name": "A.b-c", "value": "1"}],
        readinessProbe={"httpGet": {"port": "http"}},
        lifecycle={"preStop": {"sleep": {"seconds": 1}}},
        resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
    )
    assert problems(POD, full) == []
    assert problems(DEPLOYMENT, deployment()) == []
    assert problems(SERVICE, made(SERVICE, spec={"ports": [{"port": 80}]})) == []
    assert problems(SECRET, made(SECRET, data={"a": "eA=="})) == []


@pytest.mark.parametrize(
    ("container", "problem"),
    [
        ({"name": ""}, "spec.containers[0].name: Required value"),
        ({"name": "A"}, 'spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label'),
        ({"image": ""}, "spec.containers[0].image: Required value"),
        ({"imagePullPolicy": "Never!"}, "spec.containers[0].imagePullPolicy: Unsupported value"),
        ({"ports": [{"containerPort": 0}]}, "spec.containers[0].ports[0].containerPort: Invalid value: 0: must be between 1 and 65535"),
        ({"ports": [{"containerPort": 1, "name": "way-too-long-name"}]}, "spec.containers[0].ports[0].name: Invalid value"),
        ({"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}, "spec.containers[0].ports[1].name: Duplicate value"),
        ({"env": [{"value": "x"}]}, "spec.containers[0].env[0].name: Required value"),
        ({"env": [{"name": "A=B"}]}, "spec.containers[0].env[0].name: Invalid value"),
        ({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}, "spec.containers[0].env[0].valueFrom: Invalid value"),
        ({"resources": {"limits": {"cpu": "lots"}}}, "spec.containers[0].resources.limits[cpu]: Invalid value"),
        ({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}, 'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
        ({"livenessProbe": {}}, "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
        ({"livenessProbe": {"exec": {"command": ["x"]}, "successThreshold": 2}}, "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"),
        ({"readinessProbe": {"httpGet": {"port": 1}, "tcpSocket": {"port": 1}}}, "spec.containers[0].readinessProbe.tcpSocket: Forbidden"),
        ({"readinessProbe": {"httpGet": {}}}, "spec.containers[0].readinessProbe.httpGet.port: Required value"),
        ({"lifecycle": {"preStop": {}}}, "spec.containers[0].lifecycle.preStop: Required value"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, "spec.containers[0].volumeMounts[0].name: Not found"),
    ],
)  # fmt: skip
def test_containers(container: dict[str, Any], problem: str) -> None:
    """One mistake, one error, at its path."""
    found = problems(POD, pod(**container))
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"selector": {"matchLabels": {"app": "api"}}}, "spec.template.metadata.labels: Invalid value"),
        ({"selector": {}}, "spec.selector: Invalid value"),
        ({"selector": None}, "spec.selector: Required value"),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1"),
        ({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}}, 'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when'),
        ({"strategy": {"rollingUpdate": {"maxSurge": "lots"}}}, "spec.strategy.rollingUpdate.maxSurge: Invalid value"),
        ({"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}, "spec.strategy.rollingUpdate: Forbidden"),
        ({"strategy": {"type": "BlueGreen"}}, "spec.strategy.type: Unsupported value"),
        ({"minReadySeconds": 600}, "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"),
    ],
)  # fmt: skip
def test_deployments(spec: dict[str, Any], problem: str) -> None:
    """Selectors, counts and strategies."""
    found = problems(DEPLOYMENT, deployment(**spec))
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_only_always_restarts_in_a_deployment() -> None:
    """A template that would let pods end is refused."""
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    assert problems(DEPLOYMENT, wrong) == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'
    ]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, "spec.ports: Required value"),
        ({"ports": [{"port": 70000}]}, "spec.ports[0].port: Invalid value: 70000"),
        ({"ports": [{"port": 1}, {"port": 2, "name": "b"}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]}, "spec.ports[1]: Duplicate value"),
        ({"ports": [{"port": 1}], "type": "Magic"}, "spec.type: Unsupported value"),
        ({"ports": [{"port": 1}], "clusterIP": "300.1.1.1"}, "spec.clusterIPs[0]: Invalid value"),
    ],
)  # fmt: skip
def test_services(spec: dict[str, Any], problem: str) -> None:
    """Ports, types and addresses."""
    found = problems(SERVICE, made(SERVICE, spec=spec))
    assert [text for text in found if text.startswith(problem)]


def test_names_and_labels() -> None:
    """DNS names for objects, qualified names for label keys, 63 characters for values."""
    wrong = made(CONFIG_MAP, data={"a b": "1"})
    wrong["metadata"] |= {"name": "Web_1", "labels": {"-x": "ok", "ok": "no good"}}
    paths = [error.path for error in validate(CONFIG_MAP, wrong)]
    assert paths == ["metadata.name", "metadata.labels", "metadata.labels", "data[a b]"]
    dotted = made(NAMESPACE)
    dotted["metadata"]["name"] = "a.b"
    assert validate(NAMESPACE, dotted)
    digits = made(SERVICE, spec={"ports": [{"port": 1}]})
    digits["metadata"]["name"] = "1web"
    assert validate(SERVICE, digits)


def test_a_secret_that_is_not_base64_is_never_shown() -> None:
    """The error names the key and keeps the value to itself."""
    (error,) = validate(SECRET, made(SECRET, data={"password": "hunter2!"}))
    assert "hunter2" not in error.message
    assert error.path == "data[password]"


def test_what_may_not_change() -> None:
    """A selector, a cluster address, an immutable ConfigMap, most of a pod's spec."""
    moved = deployment()
    moved["spec"]["selector"] = {"matchLabels": {"app": "api"}}
    (error,) = validate_update(DEPLOYMENT, moved, deployment())
    assert error.message.endswith("field is immutable")
    service = made(SERVICE, spec={"ports": [{"port": 1}], "clusterIP": "10.96.0.10"})
    elsewhere = made(SERVICE, spec={"ports": [{"port": 1}], "clusterIP": "10.96.0.11"})
    assert validate_update(SERVICE, elsewhere, service)
    frozen = made(CONFIG_MAP, data={"a": "1"}, immutable=True)
    assert validate_update(CONFIG_MAP, made(CONFIG_MAP, data={}, immutable=True), frozen)
    assert validate_update(POD, pod(image="y"), pod()) == []
    (error,) = validate_update(POD, pod(args=["y"]), pod())
    assert error.message.startswith("Forbidden: pod updates may not change fields other than")
