"""Variables for rehearsals: over the manifests of the app under test, and never told."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from podready.kube.manifest import parse_manifests
from podready.rehearse.overrides import HIDDEN, SECRET, Overrides
from podready.rehearse.result import RehearsalResult, ScenarioResult, Verdict
from podready.rehearse.target import choose_target

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec: {containers: [{name: worker, image: web}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: migrate, image: web}]
      containers:
        - name: web
          image: web
          env:
            - {name: DATABASE_URL, value: "postgresql://prd"}
            - {name: CACHE, value: "$(DATABASE_URL)"}
"""
URL = "postgresql://app:p%40ss-word@host.podready.internal/app"


def test_variables_go_over_every_container_under_test() -> None:
    """Init containers migrate the same database; other Deployments and the files stay the same."""
    manifests = parse_manifests(MANIFESTS, "app.yaml")
    target = choose_target(manifests, "", "shop")
    service, worker, secret, web = Overrides({"DATABASE_URL": URL}).merge_into(manifests, target)

    assert (service, worker) == tuple(manifests[:2])
    assert secret.object["metadata"] == {"name": SECRET, "namespace": "shop"}
    assert base64.b64decode(secret.object["data"]["DATABASE_URL"]).decode() == URL
    spec = web.object["spec"]["template"]["spec"]
    reference = {
        "name": "DATABASE_URL",
        "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "DATABASE_URL"}},
    }
    assert spec["initContainers"][0]["env"] == [reference]
    assert spec["containers"][0]["env"] == [
        reference,
        {"name": "CACHE", "value": "$(DATABASE_URL)"},
    ]
    assert "valueFrom" not in str(target.manifest.object)
    assert web.line_of("spec.template") == target.manifest.line_of("spec.template")


def test_without_variables_nothing_changes() -> None:
    """No Secret is made for nothing."""
    manifests = parse_manifests(MANIFESTS, "app.yaml")
    target = choose_target(manifests, "", "shop")
    assert Overrides({}).merge_into(manifests, target) == tuple(manifests)


def test_values_and_passwords_are_hidden() -> None:
    """The whole value, its password, and the password as it is meant; words that are short stay."""
    overrides = Overrides({"DATABASE_URL": URL, "TOKEN": "abcdefgh", "MODE": "dev"})
    text = f"{URL} and p@ss-word, p%40ss-word, abcdefgh in dev"
    assert overrides.hide(text) == f"{HIDDEN} and {HIDDEN}, {HIDDEN}, {HIDDEN} in dev"


def a_result(**changes: Any) -> RehearsalResult:
    """Return a result that has picked up a secret somewhere."""
    scenario = ScenarioResult(
        name="x", title="X", sent=1, dropped=0, p50_ms=1.0, p99_ms=1.0, max_ms=1.0,
        seconds=1.0, rollouts=1, causes=(), failure="login as abcdefgh failed",
    )  # fmt: skip
    whole = RehearsalResult(Verdict.READY, 1, 0, 1.0, (scenario,), "web", {}, {})
    return replace(whole, **changes)


def test_results_are_hidden_likewise() -> None:
    """Every text of a result, and nothing but texts."""
    hidden = Overrides({"TOKEN": "abcdefgh"}).hide_in(a_result(limits=("abcdefgh",)))
    assert hidden.scenarios[0].failure == f"login as {HIDDEN} failed"
    assert hidden.limits == (HIDDEN,)
    assert replace(hidden, limits=(), scenarios=a_result().scenarios) == a_result()
    assert Overrides({"MODE": "dev"}).hide_in(a_result()) == a_result()
