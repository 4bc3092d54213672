"""The driver on a real API server, with real pods: what kubectl would do, done by lightkube."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from podready.cluster.local import LocalCluster, LocalClusterConfig
from podready.errors import AppError, ClusterError, ManifestError, UsageError
from podready.kube.gvk import DEPLOYMENT, POD
from podready.kube.manifest import parse_manifests
from podready.kube.meta import dig
from podready.rehearse.api import KubernetesApi
from podready.rehearse.driver import Driver, ScenarioError
from podready.rehearse.manifests import ProjectManifests, arrange
from podready.rehearse.observer import ClusterObserver
from podready.rehearse.rollout import revision_of
from podready.rehearse.scenario import NAMES, load_scenarios
from podready.rehearse.target import choose_target

APP = """\
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", flush=True)
http.server.ThreadingHTTPServer(("", 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
"""

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: main
          image: web:1
          ports: [{containerPort: 8000}]
          readinessProbe:
            httpGet: {path: /, port: 8000}
            periodSeconds: 1
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8000}]
"""


def project(folder: Path, app: str) -> ProjectManifests:
    """Write a project of one file into the folder and return its manifests."""
    (folder / "app.py").write_text(app)
    (folder / "Dockerfile").write_text(
        'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n'
    )
    return arrange(parse_manifests(MANIFESTS, "app.yaml"), "default")


@asynccontextmanager
async def driver_of(folder: Path, manifests: ProjectManifests) -> AsyncIterator[Driver]:
    """Start a cluster for the project and give a driver that knows only its kubeconfig."""
    run_dir = folder / "run"
    run_dir.mkdir(mode=0o700)
    target = choose_target(manifests.objects, "", "default")
    config = LocalClusterConfig(folder, folder / "Dockerfile", run_dir, endpoint_lag=0.1)
    async with LocalCluster(config) as cluster:
        api = KubernetesApi(cluster.kubeconfig, "default")
        try:
            async with ClusterObserver(api, target) as observer:
                yield Driver(api, target, observer, lambda _line: None)
        finally:
            await api.close()


@pytest.mark.slow
async def test_deploy_update_roll_back_delete(tmp_path: Path) -> None:
    """One story on one cluster: each step is over when kubectl would say so."""
    manifests = project(tmp_path, APP)
    async with driver_of(tmp_path, manifests) as driver:
        api, observer = driver._api, driver.observer

        # 1. Applying twice is the same as applying once.
        await driver.apply(manifests.objects)
        await driver.apply(manifests.objects)
        await driver.wait_until_available(60)
        first = set(observer.ready_pods())
        assert len(first) == 2
        assert not await driver.has_previous_revision()
        with pytest.raises(ScenarioError, match="no earlier revision"):
            await driver.undo()

        # 2. A restart replaces every pod and makes revision 2.
        await driver.restart()
        await driver.wait_for_rollout()
        await driver.wait_until_quiet()
        second = set(observer.ready_pods())
        assert len(second) == 2
        assert not first & second
        assert await driver.has_previous_revision()

        # 3. Undo brings the first template back, as revision 3.
        await driver.undo()
        await driver.wait_for_rollout()
        deployment = await api.get(DEPLOYMENT, "web")
        assert deployment is not None
        assert revision_of(deployment) == 3
        annotations = dig(deployment, "spec", "template", "metadata", "annotations", default={})
        assert "kubectl.kubernetes.io/restartedAt" not in (annotations or {})

        # 4. A deleted pod goes and another one comes.
        await driver.wait_until_quiet()
        pod = await driver.delete_ready_pod()
        await driver.wait_until_gone(pod)
        await driver.wait_until_replaced()
        assert await api.get(POD, pod) is None
        assert len(observer.ready_pods()) == 2
        assert observer.summary() == "2 ready"

        # 5. All of it was seen: revisions, endpoints, the end of the deleted pod.
        key = f"default/{pod}"
        assert [e.event for e in observer.seen.pods if e.pod == key][-1] == "DELETED"
        assert [e.routed for e in observer.seen.endpoints if e.pod == key] == [True, False]


@pytest.mark.slow
async def test_an_app_that_crashes_shows_its_own_last_words(tmp_path: Path) -> None:
    """The error says what ended and how; the log is the app's."""
    manifests = project(tmp_path, 'raise RuntimeError("no database")\n')
    async with driver_of(tmp_path, manifests) as driver:
        await driver.apply(manifests.objects)
        with pytest.raises(AppError, match="container main ended with exit code 1") as caught:
            await driver.wait_until_available(60)
        assert caught.value.log[-1] == "RuntimeError: no database"


@pytest.mark.slow
async def test_an_app_that_is_never_ready_shows_the_probe(tmp_path: Path) -> None:
    """It runs, but what its probe asks for is not there."""
    manifests = project(tmp_path, APP.replace("8000", "8001"))
    async with driver_of(tmp_path, manifests) as driver:
        await driver.apply(manifests.objects)
        with pytest.raises(AppError, match="not ready after 4 s: Readiness probe failed") as caught:
            await driver.wait_until_available(4)
        assert caught.value.log == ("serving",)


async def test_a_refused_object_has_its_line(tmp_path: Path) -> None:
    """What only the server can know is told at the object's place too."""
    manifests = project(tmp_path, APP)
    bad = parse_manifests(MANIFESTS.replace("replicas: 2", "replicas: -2"), "app.yaml")
    async with driver_of(tmp_path, manifests) as driver:
        with pytest.raises(ManifestError, match=r"app\.yaml:5: Deployment web was refused"):
            await driver.apply(arrange(bad, "default").objects)


@pytest.mark.parametrize("text", [None, "[", "a: 1", "contexts: 3\nclusters: []"])
def test_a_kubeconfig_that_is_none(tmp_path: Path, text: str | None) -> None:
    """A missing or broken file is named."""
    if text is not None:
        (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(UsageError, match="not a usable kubeconfig"):
        KubernetesApi(tmp_path / "kubeconfig", "default")


async def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    """Nobody listens there: one sentence with the address."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "users: [{name: u, user: {token: t}}]\n"
        'clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]\n'
    )
    api = KubernetesApi(kubeconfig, "default")
    with pytest.raises(ClusterError, match=r"http://127\.0\.0\.1:1 failed"):
        async with api.translated_errors():
            await api.get(POD, "web")
    await api.close()


def test_every_scenario_is_there() -> None:
    """The table and the files agree, and an unknown name is answered with the nearest."""
    assert tuple(scenario.name for scenario in load_scenarios(())) == NAMES
    with pytest.raises(UsageError, match="did you mean 'pod-deletion'"):
        load_scenarios(["pod-deltion"])
