"""Manifests and Dockerfiles of the examples: what stands in two places says the same in both."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.examples.conftest import EXAMPLES

from podready.contract import ADMIN_PORT, LIVEZ, READYZ, STARTUPZ
from podready.dockerfile import read_image
from podready.project import load_project

READY = pytest.mark.parametrize("example", ["hello", "hello_flask"])


def documents(example: str, *files: str) -> dict[str, Any]:
    """Return the objects of some manifests by kind."""
    texts = [(EXAMPLES / example / "deploy" / file).read_text() for file in files]
    return {found["kind"]: found for text in texts for found in YAML(typ="safe").load_all(text)}


@READY
def test_the_app_knows_the_grace_period_of_its_pod(example: str) -> None:
    """PODREADY_GRACE_PERIOD repeats what the downward API cannot give."""
    pod = documents(example, "deployment.yaml")["Deployment"]["spec"]["template"]["spec"]
    environ = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    assert environ["PODREADY_GRACE_PERIOD"] == str(pod["terminationGracePeriodSeconds"])


@READY
def test_probes_ask_the_admin_port(example: str) -> None:
    """Each probe its own path, and no Service leads there."""
    found = documents(example, "deployment.yaml", "service.yaml")
    container = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 3000, "admin": ADMIN_PORT}
    probes = {
        container[f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("startup", "readiness", "liveness")
    }
    assert probes == {STARTUPZ, READYZ, LIVEZ}
    assert [port["targetPort"] for port in found["Service"]["spec"]["ports"]] == ["http"]


@READY
def test_the_image_runs_as_the_user_of_the_pod(example: str) -> None:
    """A numeric user, so that runAsNonRoot can be checked; the same number in both places."""
    image = read_image(EXAMPLES / example / "Dockerfile")
    pod = documents(example, "deployment.yaml")["Deployment"]["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert image.user == f"{context['runAsUser']}:{context['runAsGroup']}" == "65532:65532"
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@READY
def test_the_image_starts_podready_as_the_first_process(example: str) -> None:
    """Exec form, the app of the project's settings, the ports that the manifest names."""
    image = read_image(EXAMPLES / example / "Dockerfile")
    project = load_project(EXAMPLES / example)
    assert image.argv == ("podready", "run", project.app)
    assert image.ports == (3000, ADMIN_PORT)
    assert image.env["PORT"] == "3000"


@READY
def test_dev_and_prd_differ_in_the_environment_only(example: str) -> None:
    """The same variables in both; the Secret of prd is in no repository."""
    dev, prd = documents(example, "env/dev.yaml"), documents(example, "env/prd.yaml")
    assert set(dev["ConfigMap"]["data"]) <= set(prd["ConfigMap"]["data"])
    assert dev["ConfigMap"]["metadata"] == prd["ConfigMap"]["metadata"]
    assert "Secret" in dev
    assert "Secret" not in prd


@READY
def test_what_the_machine_installs_is_what_the_project_says(example: str) -> None:
    """requirements.txt repeats the project's dependencies except podready itself."""
    project = tomllib.loads((EXAMPLES / example / "pyproject.toml").read_text())["project"]
    lines = (EXAMPLES / example / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert wanted == [name for name in project["dependencies"] if name != "podready"]


def test_the_naive_example_is_naive() -> None:
    """A shell-form command, no podready, probes on the app's own port."""
    image = read_image(EXAMPLES / "naive" / "Dockerfile")
    assert (image.argv[0], image.argv[-2]) == ("/bin/bash", "-c")
    assert image.argv[-1].startswith("uvicorn ")
    sources = (EXAMPLES / "naive" / "naive").glob("*.py")
    assert not any("import podready" in source.read_text() for source in sources)
    container = documents("naive", "naive.yaml")["Deployment"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert container["livenessProbe"] == container["readinessProbe"]
