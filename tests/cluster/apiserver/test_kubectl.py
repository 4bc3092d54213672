"""Real kubectl against the API server: what people type."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.parts import program

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.protocol import PatchType
from podready.kube.gvk import DEPLOYMENT

pytestmark = [pytest.mark.kubectl, pytest.mark.slow]

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 3000, name: http}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
"""


def newest_kubectl() -> str | None:
    """Return the newest kubectl.1.NN beside the one on PATH (a Cloud SDK's dispatcher), or it."""
    found = program("kubectl")
    if found is None:
        return None
    siblings = Path(found).resolve().parent.glob("kubectl.1.*")
    versions = sorted(siblings, key=lambda p: int(p.suffix[1:]) if p.suffix[1:].isdecimal() else 0)
    return str(versions[-1]) if versions else found


@dataclass(frozen=True)
class Ran:
    """What one command gave."""

    code: int
    out: str
    err: str


Kubectl = Callable[..., Coroutine[Any, Any, Ran]]


@pytest.fixture
def kubectl(kubeconfig: Path, tmp_path: Path) -> Kubectl:
    """Run kubectl with our kubeconfig and a home of its own."""
    binary = newest_kubectl()
    if binary is None:
        pytest.skip("no kubectl on PATH")
    environment = {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

    async def run(*arguments: str, stdin: str = "") -> Ran:
        def call() -> Ran:
            done = subprocess.run(
                [binary, *arguments], env=environment, input=stdin, capture_output=True,
                text=True, timeout=30, check=False,
            )  # fmt: skip
            return Ran(done.returncode, done.stdout, done.stderr)

        return await asyncio.to_thread(call)

    return run


async def test_apply_creates_leaves_alone_and_changes(kubectl: Kubectl) -> None:
    """created, unchanged, configured; diff says 1; a typo is refused with its path."""
    first = await kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert first.out.split("\n")[:2] == ["deployment.apps/web created", "service/web created"]
    again = await kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert again.out.count("unchanged") == 2
    changed = MANIFEST.replace("web:1", "web:2")
    assert (await kubectl("diff", "-f", "-", stdin=changed)).code == 1
    assert (
        "deployment.apps/web configured" in (await kubectl("apply", "-f", "-", stdin=changed)).out
    )
    typo = await kubectl("apply", "-f", "-", stdin=MANIFEST.replace("replicas", "replicaz"))
    assert typo.code == 1
    assert 'strict decoding error: unknown field "spec.replicaz"' in typo.err


async def test_get_shows_tables_and_fields(kubectl: Kubectl) -> None:
    """Columns for people, wide ones, names, jsonpath; a missing one is NotFound."""
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    shown = (await kubectl("get", "deploy")).out.splitlines()
    assert shown[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert shown[1].split()[:4] == ["web", "0/3", "0", "0"]
    wide = (await kubectl("get", "svc", "web", "-o", "wide")).out
    assert "10.96.0.11" in wide
    assert "app=web" in wide
    everything = await kubectl("get", "all", "-o", "name")
    assert "deployment.apps/web" in everything.out
    image = await kubectl(
        "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"
    )
    assert image.out == "web:1"
    missing = await kubectl("get", "deploy", "gone")
    assert missing.err.strip() == (
        'Error from server (NotFound): deployments.apps "gone" not found'
    )


async def test_scale_set_patch_label_and_delete(kubectl: Kubectl) -> None:
    """The commands that change one thing."""
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert (await kubectl("scale", "deploy/web", "--replicas=5")).code == 0
    guarded = await kubectl("scale", "deploy/web", "--replicas=2", "--current-replicas=5")
    assert guarded.out.strip() == "deployment.apps/web scaled"
    assert (await kubectl("set", "image", "deploy/web", "web=web:3")).code == 0
    assert (await kubectl("rollout", "restart", "deploy/web")).code == 0
    assert (await kubectl("label", "deploy/web", "a=b")).code == 0
    merge = '{"spec":{"minReadySeconds":3}}'
    assert (await kubectl("patch", "deploy/web", "--type=merge", "-p", merge)).code == 0
    fields = "jsonpath={.spec.replicas} {.spec.minReadySeconds} {.metadata.labels.a} {..image}"
    assert (await kubectl("get", "deploy/web", "-o", fields)).out == "2 3 b web:3"
    deleted = await kubectl("delete", "-f", "-", stdin=MANIFEST)
    assert deleted.out.count("deleted") == 2


async def test_rollout_status_waits_for_the_status(
    kubectl: Kubectl, registry: Registry, until: Any
) -> None:
    """It watches the Deployment until its status says that all are updated and available."""
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    waiting = asyncio.create_task(kubectl("rollout", "status", "deploy/web", "--timeout=20s"))
    await until(lambda: bool(list(registry.store.watchers())), 20)
    status = {
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
        "availableReplicas": 3,
    }  # fmt: skip
    registry.patch(
        DEPLOYMENT, "default", "web", {"status": status},
        patch_type=PatchType.MERGE, subresource="status",
    )  # fmt: skip
    done = await waiting
    assert done.code == 0
    assert 'deployment "web" successfully rolled out' in done.out


async def test_describe_and_the_list_of_kinds(kubectl: Kubectl) -> None:
    """describe dereferences defaulted fields; api-resources comes from discovery."""
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    described = await kubectl("describe", "deploy/web")
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in described.out
    kinds = (await kubectl("api-resources", "-o", "name")).out.split()
    assert {"pods", "deployments.apps", "endpointslices.discovery.k8s.io"} <= set(kinds)
    assert (await kubectl("get", "--raw", "/readyz")).out == "ok"
