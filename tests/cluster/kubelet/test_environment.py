"""Environment and command line of a container."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podready.cluster.kubelet.environment import (
    ContainerConfigError,
    EnvironmentContext,
    command_line,
    container_environment,
    expand,
    references,
    service_environment,
)

POD: dict[str, Any] = {
    "metadata": {
        "name": "web-0",
        "namespace": "prod",
        "uid": "u-1",
        "labels": {"app": "web", "tier": 'a"b'},
        "annotations": {"note": "x"},
    },
    "spec": {"nodeName": "n1", "serviceAccountName": "default"},
    "status": {"podIP": "10.244.0.9", "hostIP": "127.0.0.1"},
}


def context(**changes: Any) -> EnvironmentContext:
    """Return what the environment of `POD` may refer to."""
    config = {"metadata": {"name": "conf"}, "data": {"A": "from config", "bad=key": "x"}}
    secret = {"data": {"TOKEN": base64.b64encode(b"s3cr3t").decode()}}
    sources = {("ConfigMap", "conf"): config, ("Secret", "keys"): secret}
    return EnvironmentContext(**{"pod": POD, "sources": sources, **changes})


def from_field(path: str) -> dict[str, Any]:
    """Return an env entry that reads a field of the pod."""
    return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def service(name: str, *ports: dict[str, Any], ip: str = "10.96.0.7") -> dict[str, Any]:
    """Return a Service."""
    return {"metadata": {"name": name}, "spec": {"clusterIP": ip, "ports": list(ports)}}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "1-$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $(", "$A ${A} $("),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    """`$(NAME)` of a known name is replaced, `$$` is a dollar, all else stays."""
    assert expand(text, {"A": "1"}) == expanded


def test_later_sources_win_and_see_earlier_ones() -> None:
    """Service variables, then envFrom, then env; each sees what came before it."""
    container = {
        "envFrom": [
            {"configMapRef": {"name": "conf"}},
            {"secretRef": {"name": "keys"}, "prefix": "MY_"},
            {"configMapRef": {"name": "gone", "optional": True}},
        ],
        "env": [
            {"name": "A", "value": "$(A), then own"},
            {"name": "URL", "value": "$(WEB_PORT)/$(LATER)"},
            {"name": "LATER", "value": "1"},
            {"name": "EMPTY"},
        ],
    }
    env = container_environment(container, context(services=(service("web", {"port": 80}),)))

    assert env["A"] == "from config, then own"
    assert env["MY_TOKEN"] == "s3cr3t"
    assert env["URL"] == "tcp://10.96.0.7:80/$(LATER)"
    assert env["EMPTY"] == ""
    assert "bad=key" not in env


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web-0"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'app="web"\ntier="a\\"b"'),
        ("spec.nodeName", "n1"),
        ("status.podIPs", "10.244.0.9"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    """The downward API gives fields of the pod as text."""
    assert container_environment({"env": [from_field(path)]}, context())["X"] == value


def test_resources_are_divided_and_rounded_up() -> None:
    """Limits that are not set are the node's own; the divisor rounds up."""

    def resource(name: str, divisor: str) -> dict[str, Any]:
        ref = {"resource": name, "divisor": divisor}
        return {"name": name, "valueFrom": {"resourceFieldRef": ref}}

    container = {
        "resources": {"requests": {"cpu": "1500m"}},
        "env": [resource("requests.cpu", "1"), resource("limits.memory", "1Mi")],
    }
    env = container_environment(container, context(allocatable={"memory": "2049Ki"}))

    assert env == {"requests.cpu": "2", "limits.memory": "3"}


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ({"secretKeyRef": {"name": "none", "key": "k"}}, 'secret "none" not found'),
        (
            {"configMapKeyRef": {"name": "conf", "key": "k"}},
            "couldn't find key k in ConfigMap prod/conf",
        ),
        ({"fieldRef": {"fieldPath": "spec.tolerations"}}, "unsupported fieldPath"),
    ],
)
def test_what_is_missing_is_named(variable: dict[str, Any], message: str) -> None:
    """A source or key that is not optional stops the container, by its name."""
    with pytest.raises(ContainerConfigError, match=message):
        container_environment({"env": [{"name": "X", "valueFrom": variable}]}, context())


def test_an_optional_key_leaves_no_variable() -> None:
    """An optional key that is missing gives no variable, not an empty one."""
    ref = {"configMapKeyRef": {"name": "conf", "key": "k", "optional": True}}
    assert container_environment({"env": [{"name": "X", "valueFrom": ref}]}, context()) == {}


def test_service_variables() -> None:
    """A Service injects Docker's link variables; a headless one none."""
    ports = ({"name": "http-web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"})
    env = service_environment(service("my-app", *ports))

    assert env["MY_APP_SERVICE_PORT_HTTP_WEB"] == "80"
    assert env["MY_APP_PORT"] == "tcp://10.96.0.7:80"
    assert env["MY_APP_PORT_53_UDP_PROTO"] == "udp"
    assert service_environment(service("headless", {"port": 80}, ip="None")) == {}


@pytest.mark.parametrize(
    ("container", "argv"),
    [
        ({}, ("entry", "cmd")),
        ({"args": ["$(A)"]}, ("entry", "1")),
        ({"command": ["other"]}, ("other",)),
        ({"command": ["other"], "args": ["x"]}, ("other", "x")),
    ],
)
def test_command_line(container: dict[str, Any], argv: tuple[str, ...]) -> None:
    """`command` replaces ENTRYPOINT and drops CMD; `args` replaces CMD."""
    assert command_line(container, ("entry",), ("cmd",), {"A": "1"}) == argv


def test_references() -> None:
    """All ConfigMaps and Secrets that the environment names are known before it is made."""
    container = {
        "envFrom": [{"secretRef": {"name": "a"}}],
        "env": [
            {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "b", "key": "k"}}},
            {"name": "Y", "value": "1"},
        ],
    }
    assert references(container) == {("Secret", "a"), ("ConfigMap", "b")}
