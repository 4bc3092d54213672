"""What the API server fills in."""

from __future__ import annotations

from typing import Any

import pytest

from podready.kube.defaults import apply_defaults, pull_policy
from podready.kube.meta import copy_of


def defaulted(kind: str, api_version: str = "v1", **rest: Any) -> dict[str, Any]:
    obj: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}
    obj |= rest
    apply_defaults(obj)
    once = copy_of(obj)
    apply_defaults(obj)
    assert obj == once, "defaulting twice must be defaulting once"
    return obj


def test_pods_get_kubernetes_defaults() -> None:
    """Grace 30 s, restart Always, tolerations of 300 s, probe numbers."""
    container = {
        "name": "a",
        "image": "x:1",
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"port": 80}},
        "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}},
        "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }
    spec = defaulted("Pod", spec={"containers": [container]})["spec"]
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Always", 30)
    assert [t["tolerationSeconds"] for t in spec["tolerations"]] == [300, 300]
    filled = spec["containers"][0]
    assert filled["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert filled["readinessProbe"] == {
        "httpGet": {"port": 80, "scheme": "HTTP", "path": "/"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert filled["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert filled["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"


def test_what_is_written_stays() -> None:
    """A default never overrides, not even a zero."""
    spec = {"containers": [], "terminationGracePeriodSeconds": 0, "enableServiceLinks": False}
    filled = defaulted("Pod", spec=spec)["spec"]
    assert filled["terminationGracePeriodSeconds"] == 0
    assert filled["enableServiceLinks"] is False


def test_deployments_roll_a_quarter_at_a_time() -> None:
    """25 % / 25 %, ten revisions, ten minutes; the template has no pod-only defaults."""
    template = {"spec": {"containers": [{"name": "a", "image": "x"}]}}
    spec = defaulted("Deployment", "apps/v1", spec={"template": template})["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert "tolerations" not in spec["template"]["spec"]


def test_recreate_gets_no_rolling_numbers() -> None:
    """They would be forbidden beside it."""
    spec = {"strategy": {"type": "Recreate"}, "template": {}}
    filled = defaulted("Deployment", "apps/v1", spec=spec)["spec"]
    assert filled["strategy"] == {"type": "Recreate"}


def test_services_send_to_the_port_they_listen_on() -> None:
    """targetPort = port; an affinity by client lasts three hours."""
    spec = {"ports": [{"port": 80}], "sessionAffinity": "ClientIP"}
    filled = defaulted("Service", spec=spec)["spec"]
    assert filled["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert filled["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert (filled["type"], filled["internalTrafficPolicy"]) == ("ClusterIP", "Cluster")


def test_config_volumes_are_readable_by_all() -> None:
    """defaultMode 0644, and a volume without a source is an emptyDir."""
    volumes = [{"name": "c", "configMap": {"name": "x"}}, {"name": "e"}]
    filled = defaulted("Pod", spec={"containers": [], "volumes": volumes})["spec"]["volumes"]
    assert filled[0]["configMap"]["defaultMode"] == 0o644
    assert filled[1] == {"name": "e", "emptyDir": {}}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"), ("web:latest", "Always"), ("web:1", "IfNotPresent"),
        ("host:5000/web", "Always"), ("host:5000/web:1", "IfNotPresent"),
        ("web@sha256:abc", "IfNotPresent"),
    ],
)  # fmt: skip
def test_images_without_a_fixed_tag_are_always_pulled(image: str, policy: str) -> None:
    """A registry's port is no tag."""
    assert pull_policy(image) == policy
