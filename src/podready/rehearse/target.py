"""What is under test: one Service, the Deployment behind it, and the port that leads there. Pure.

Every mistake that would otherwise show up as "all requests refused" is found here, with the file
and line that hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podready.errors import ProjectError
from podready.kube.labels import from_map
from podready.kube.manifest import Manifest
from podready.kube.meta import dig, name_of
from podready.kube.networking import resolve_target_port

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RehearsalTarget:
    """The Service and Deployment under test; `port` is the Service's, `pod_port` the pods'."""

    namespace: str
    service: str
    port: int
    pod_port: int
    deployment: str
    selector: dict[str, str]
    replicas: int
    container: str
    grace: float
    manifest: Manifest

    @property
    def service_key(self) -> str:
        """Return "namespace/name" of the Service."""
        return f"{self.namespace}/{self.service}"


def choose_target(manifests: Sequence[Manifest], service: str, namespace: str) -> RehearsalTarget:
    """Return what `service` (`name`, `name:port` or "" for the only one) leads to."""
    name, _, port = service.partition(":")
    chosen = _service(manifests, name)
    chosen_port = _port(chosen, port)
    deployment = _deployment(manifests, chosen)
    pod = dig(deployment.object, "spec", "template", default={})
    return RehearsalTarget(
        namespace=namespace,
        service=name_of(chosen.object),
        port=chosen_port["port"],
        pod_port=_pod_port(chosen, chosen_port, deployment),
        deployment=name_of(deployment.object),
        selector=dict(dig(deployment.object, "spec", "selector", "matchLabels", default={})),
        replicas=dig(deployment.object, "spec", "replicas", default=1),
        container=dig(pod, "spec", "containers", 0, "name", default="app"),
        grace=float(dig(pod, "spec", "terminationGracePeriodSeconds", default=30)),
        manifest=deployment,
    )


def _service(manifests: Sequence[Manifest], name: str) -> Manifest:
    services = [m for m in manifests if m.object["kind"] == "Service"]
    if name:
        found = next((m for m in services if name_of(m.object) == name), None)
        if found is None:
            known = ", ".join(name_of(m.object) for m in services) or "none at all"
            raise ProjectError(f"no Service {name!r} in the manifests; there is {known}")
        return found
    if not services:
        raise ProjectError(
            "the manifests have no Service, so nothing can be sent to the app; add one, or name "
            "their folder in [tool.podready] manifests"
        )
    if len(services) > 1:
        names = ", ".join(name_of(m.object) for m in services)
        raise ProjectError(
            f"the manifests have {len(services)} Services ({names}); say which one to test: "
            f'[tool.podready] service = "{name_of(services[0].object)}"'
        )
    return services[0]


def _port(service: Manifest, wanted: str) -> Object:
    ports: list[Object] = dig(service.object, "spec", "ports", default=[]) or []
    if not ports:
        raise service.error(f"Service {name_of(service.object)} has no ports", "spec")
    if not wanted:
        return ports[0]
    for port in ports:
        if wanted in (str(port.get("port")), port.get("name")):
            return port
    known = ", ".join(str(port.get("port")) for port in ports)
    raise ProjectError(f"Service {name_of(service.object)} has no port {wanted!r}; it has {known}")


def _deployment(manifests: Sequence[Manifest], service: Manifest) -> Manifest:
    name = name_of(service.object)
    deployments = [m for m in manifests if m.object["kind"] == "Deployment"]
    if not deployments:
        raise service.error(f"Service {name} has no Deployment behind it: the manifests hold none")
    selector = dig(service.object, "spec", "selector", default={})
    if not selector:
        raise service.error(f"Service {name} has no selector, so it finds no pods", "spec")
    matches = from_map(selector).matches
    for deployment in deployments:
        if matches(_pod_labels(deployment)):
            return deployment
    wanted = _labels(selector)
    have = "; ".join(f"{name_of(m.object)} has {_labels(_pod_labels(m))}" for m in deployments)
    raise service.error(
        f"Service {name} selects {wanted}, but no Deployment's pods carry that ({have})",
        "spec.selector",
    )


def _pod_port(service: Manifest, port: Object, deployment: Manifest) -> int:
    pod = {"spec": dig(deployment.object, "spec", "template", "spec", default={})}
    number = resolve_target_port({"targetPort": port["port"], **port}, pod)
    if number is None:
        raise service.error(
            f"Service {name_of(service.object)} sends to port {port.get('targetPort')!r}, but no "
            f"container of Deployment {name_of(deployment.object)} has a port of that name",
            "spec.ports",
        )
    return number


def _pod_labels(deployment: Manifest) -> dict[str, str]:
    labels: dict[str, str] = dig(
        deployment.object, "spec", "template", "metadata", "labels", default={}
    )
    return labels


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "no labels"
