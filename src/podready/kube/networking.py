"""Services and their endpoints: which pods a Service leads to, on which port, in what condition.

Pure functions over Service, Pod and EndpointSlice dicts, after Kubernetes'
staging/src/k8s.io/endpointslice (utils.go, reconciler.go). The controller writes what
`plan_slices` answers; proxies read the conditions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podready.kube.gvk import SERVICE
from podready.kube.meta import Object, is_deleting, labels_of, name_of, owner_reference
from podready.kube.workloads import is_ready, is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"

MAX_ENDPOINTS = 100
"""Endpoints of one slice (--max-endpoints-per-slice, default 100)."""


@dataclass(frozen=True, slots=True, order=True)
class EndpointPort:
    """One port of a slice: the number on the pod, not on the Service."""

    name: str
    port: int
    protocol: str = "TCP"
    app_protocol: str = ""

    def as_object(self) -> Object:
        """Return the port in the API's form."""
        result: Object = {"name": self.name, "port": self.port, "protocol": self.protocol}
        if self.app_protocol:
            result["appProtocol"] = self.app_protocol
        return result


PortSet = tuple[EndpointPort, ...]


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """What has to be written so that the slices say what the pods say."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def is_selecting(service: Object) -> bool:
    """Return whether the endpoints of this Service are found by a selector."""
    spec = service["spec"]
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def is_endpoint(pod: Object) -> bool:
    """Return whether a selected pod belongs in a slice: it has an IP and has not ended.

    A terminating pod stays in, so that proxies may fall back on it while it still serves.
    """
    return bool((pod.get("status") or {}).get("podIP")) and not is_terminal(pod)


def endpoint_conditions(pod: Object, *, publish_not_ready: bool = False) -> dict[str, bool]:
    """Return an endpoint's conditions: serving is Ready; ready is that and not terminating."""
    serving, terminating = is_ready(pod), is_deleting(pod)
    ready = publish_not_ready or (serving and not terminating)
    return {"ready": ready, "serving": serving, "terminating": terminating}


def resolve_target_port(port: Object, pod: Object) -> int | None:
    """Return the number of a Service port on this pod; None when the pod has no port of that name.

    A name is looked up in the containers and in the sidecars (init containers that always
    restart); the protocols have to be the same.
    """
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    protocol = port.get("protocol", "TCP")
    for offered in _container_ports(pod["spec"]):
        if offered.get("name") == target and offered.get("protocol", "TCP") == protocol:
            number: int = offered["containerPort"]
            return number
    return None


def _container_ports(spec: Object) -> Iterator[Object]:
    for container in spec.get("containers") or ():
        yield from container.get("ports") or ()
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            yield from container.get("ports") or ()


def port_set(service: Object, pod: Object) -> PortSet:
    """Return the pod's ports for this Service; a name that the pod lacks is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = resolve_target_port(port, pod)
        if number is not None:
            protocol, app = port.get("protocol", "TCP"), port.get("appProtocol", "")
            found.append(EndpointPort(port.get("name", ""), number, protocol, app))
    return tuple(sorted(found))


def endpoint_of(service: Object, pod: Object) -> Object:
    """Return the pod's endpoint in the API's form."""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    meta = pod["metadata"]
    target = {"kind": "Pod"} | {k: meta[k] for k in ("namespace", "name", "uid") if k in meta}
    endpoint: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": endpoint_conditions(pod, publish_not_ready=publish),
        "targetRef": target,
    }
    if pod["spec"].get("nodeName"):
        endpoint["nodeName"] = pod["spec"]["nodeName"]
    if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == name_of(service):
        endpoint["hostname"] = pod["spec"]["hostname"]  # a DNS name of its own
    return endpoint


def plan_slices(
    service: Object,
    pods: Iterable[Object],
    existing: Sequence[Object],
) -> SlicePlan:
    """Return what to create, update and delete so that `existing` slices match the pods.

    Pods with different port numbers go into different slices, at most 100 in each. An
    endpoint stays in the slice where it is, so a change touches as few slices as possible.
    A Service without any endpoint keeps one empty slice.
    """
    wanted = _endpoints_by_ports(service, pods) or {(): []}
    plan, left = SlicePlan(), {slice_["metadata"]["name"]: slice_ for slice_ in existing}
    for ports, endpoints in wanted.items():
        mine = [s for s in existing if _ports_of(s) == ports]
        for slice_ in mine:
            left.pop(slice_["metadata"]["name"])
        _plan_port_set(plan, service, (ports, endpoints), mine)
    plan.delete.extend(slice_ for slice_ in left.values())
    return plan


def _endpoints_by_ports(service: Object, pods: Iterable[Object]) -> dict[PortSet, list[Object]]:
    groups: dict[PortSet, list[Object]] = {}
    for pod in sorted(pods, key=name_of):
        if is_endpoint(pod):
            groups.setdefault(port_set(service, pod), []).append(endpoint_of(service, pod))
    return groups


def _ports_of(slice_: Object) -> PortSet:
    return tuple(
        sorted(
            EndpointPort(
                p.get("name") or "", p["port"], p.get("protocol", "TCP"), p.get("appProtocol", "")
            )
            for p in slice_.get("ports") or ()
        )
    )


def _plan_port_set(
    plan: SlicePlan,
    service: Object,
    wanted: tuple[PortSet, list[Object]],
    existing: Sequence[Object],
) -> None:
    """Spread the endpoints of one port set over its slices: those there stay, others fill up."""
    ports, endpoints = wanted
    waiting = {_identity(endpoint): endpoint for endpoint in endpoints}
    filled = [(slice_, _stay(slice_, waiting)) for slice_ in existing]
    rest = list(waiting.values())
    for _, held in filled:
        room = MAX_ENDPOINTS - len(held)
        held.extend(rest[:room])
        del rest[:room]
    keep_empty = not endpoints
    for slice_, held in filled:
        _plan_existing(plan, service, slice_, held, keep_empty=keep_empty)
        keep_empty = False
    if rest or not (endpoints or existing):
        chunks = range(0, max(1, len(rest)), MAX_ENDPOINTS)
        plan.create.extend(_slice(service, ports, rest[i : i + MAX_ENDPOINTS]) for i in chunks)


def _stay(slice_: Object, waiting: dict[str, Object]) -> list[Object]:
    """Take from `waiting` what is in this slice already, in the slice's own order."""
    identities = [_identity(endpoint) for endpoint in slice_.get("endpoints") or ()]
    return [waiting.pop(identity) for identity in identities if identity in waiting]


def _plan_existing(
    plan: SlicePlan,
    service: Object,
    slice_: Object,
    held: list[Object],
    *,
    keep_empty: bool,
) -> None:
    if not held and not keep_empty:
        plan.delete.append(slice_)
        return
    labels = slice_labels(service)
    meta = slice_["metadata"]
    if (slice_.get("endpoints") or []) != held or labels_of(slice_) != labels:
        plan.update.append({**slice_, "metadata": {**meta, "labels": labels}, "endpoints": held})


def _identity(endpoint: Object) -> str:
    """Return what makes an endpoint the same one: its pod and its address."""
    target = endpoint.get("targetRef") or {}
    return f"{target.get('uid', target.get('name', ''))}/{endpoint['addresses'][0]}"


def _slice(service: Object, ports: PortSet, endpoints: list[Object]) -> Object:
    meta = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": slice_labels(service),
            "ownerReferences": [owner_reference(service, SERVICE)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [port.as_object() for port in ports],
    }


def slice_labels(service: Object) -> dict[str, str]:
    """Return a slice's labels: the Service's own, its name, and who manages the slice."""
    labels = dict(labels_of(service))
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    return labels | {SERVICE_NAME: name_of(service), MANAGED_BY: CONTROLLER}
