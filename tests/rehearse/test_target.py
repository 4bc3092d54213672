"""What is under test, and every manifest mistake with its file and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from podready.errors import ManifestError, ProjectError
from podready.kube.manifest import parse_manifests
from podready.project import load_project
from podready.rehearse.diagnosis.findings import manifest_findings
from podready.rehearse.manifests import arrange, check_fields, load_manifests
from podready.rehearse.target import RehearsalTarget, choose_target

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web, tier: front}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
        - name: main
          image: web:1
          ports:
            - name: http
              containerPort: 8000
          readinessProbe:
            httpGet: {path: /, port: http}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    - name: http
      port: 80
      targetPort: http
    - name: metrics
      port: 81
      targetPort: 9000
"""

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
INGRESS = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\n"


def target(text: str, service: str = "") -> RehearsalTarget:
    """Return the target of one manifest file."""
    return choose_target(parse_manifests(text, "app.yaml"), service, "default")


@pytest.mark.parametrize(
    ("service", "port", "pod_port"),
    [("", 80, 8000), ("web", 80, 8000), ("web:81", 81, 9000), ("web:metrics", 81, 9000)],
)
def test_service_leads_to_the_deployment_behind_it(service: str, port: int, pod_port: int) -> None:
    """By name, by name and port, or the only one; named ports are resolved in the pod."""
    found = target(DEPLOYMENT + "---\n" + SERVICE, service)
    assert (found.service_key, found.port, found.pod_port) == ("default/web", port, pod_port)
    assert (found.deployment, found.replicas, found.container) == ("web", 3, "main")
    assert (found.selector, found.grace) == ({"app": "web"}, 20.0)


MISTAKES = [
    (DEPLOYMENT + "---\n" + SERVICE.replace("app: web", "app: wbe"), "app.yaml:28", "app=wbe"),
    (SERVICE, "app.yaml:1", "no Deployment"),
    (DEPLOYMENT + "---\n" + SERVICE.replace("selector: {app: web}", "x: 1"), "app.yaml", "no sel"),
    (DEPLOYMENT.replace("name: http", "name: web") + "---\n" + SERVICE, "app.yaml:29", "'http'"),
]


@pytest.mark.parametrize(("text", "where", "what"), MISTAKES)
def test_mistakes_in_manifests_have_a_line(text: str, where: str, what: str) -> None:
    """What would show up as "all requests refused" is told before anything starts."""
    with pytest.raises(ManifestError, match=what) as caught:
        target(text)
    assert str(caught.value).startswith(where)


@pytest.mark.parametrize(
    ("text", "service", "what"),
    [
        (DEPLOYMENT, "", "have no Service"),
        (SERVICE + "---\n" + SERVICE.replace("name: web", "name: two"), "", "say which one"),
        (SERVICE + "---\n" + DEPLOYMENT, "shop", "no Service 'shop'.*there is web"),
        (SERVICE + "---\n" + DEPLOYMENT, "web:99", "no port '99'; it has 80, 81"),
    ],
)
def test_mistakes_in_the_settings(text: str, service: str, what: str) -> None:
    """The message names what there is to choose from."""
    with pytest.raises(ProjectError, match=what):
        target(text, service)


def test_objects_are_placed_ordered_and_the_unserved_named() -> None:
    """ConfigMaps before Deployments, a Namespace where one is missing, an Ingress left out."""
    text = f"{DEPLOYMENT}---\n{SERVICE}---\n{CONFIG_MAP}---\n{INGRESS}"
    made = arrange(parse_manifests(text, "app.yaml"), "shop")
    kinds = [m.object["kind"] for m in made.objects]
    assert kinds == ["Namespace", "ConfigMap", "Service", "Deployment"]
    assert {m.object["metadata"].get("namespace", "shop") for m in made.objects} == {"shop"}
    assert made.namespace == "shop"
    assert len(made.left_out) == 1
    assert "Ingress i is not served here" in made.left_out[0]


def test_a_project_without_manifests(tmp_path: Path) -> None:
    """The message names the folders that were looked at and the setting that helps."""
    with pytest.raises(ProjectError, match=r"looked for deploy/, k8s/, manifests/"):
        load_manifests(load_project(tmp_path))


def test_a_malformed_manifest_has_its_line(tmp_path: Path) -> None:
    """A tab or a missing colon is told with file and line."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "app.yaml").write_text("apiVersion: v1\nkind: [\n")
    with pytest.raises(ManifestError, match=r"app\.yaml:\d"):
        load_manifests(load_project(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("replicas: 3", "replica: 3", 6, "unknown field 'spec.replica'; did you mean 'replicas'?"),
        ("readinessProbe", "readynessProbe", 20, "did you mean 'readinessProbe'?"),
        ("replicas: 3", 'replicas: "3"', 6, "spec.replicas must be"),
    ],
)
def test_misspelt_and_mistyped_fields(old: str, new: str, line: int, what: str) -> None:
    """As strict as kubectl apply, and with the line."""
    (manifest,) = parse_manifests(DEPLOYMENT.replace(old, new), "app.yaml")
    with pytest.raises(ManifestError, match=re.escape(what)) as caught:
        check_fields(manifest)
    assert str(caught.value).startswith(f"app.yaml:{line}:")


def findings(text: str) -> list[str]:
    """Return the codes found in a Deployment beside the usual Service."""
    return [finding.code for finding in manifest_findings(target(text + "---\n" + SERVICE))]


def test_a_sound_deployment_has_no_findings() -> None:
    """Readiness there, no liveness on the app's port, three replicas."""
    assert findings(DEPLOYMENT) == []


def test_findings_of_a_careless_deployment() -> None:
    """No readiness probe, liveness on the app's own port, one replica."""
    careless = DEPLOYMENT.replace("readinessProbe", "livenessProbe").replace(
        "replicas: 3", "replicas: 1"
    )
    assert findings(careless) == ["no-readiness-probe", "liveness-on-app-port", "single-replica"]
