"""What a name means in the cluster: Kubernetes' DNS specification 1.1.0, as CoreDNS keeps it. Pure.

`svc.namespace.svc.cluster.local` is the Service's address, for a headless one those of its ready
pods; `pod-hostname.svc.namespace.svc…` one such pod; `_port._tcp.svc.namespace.svc…` a port;
`10-244-0-7.namespace.pod.cluster.local` an address. Short names come complete: the pod's resolver
tries its search list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from podready.cluster.dns.message import Record, address, alias, server
from podready.kube.addresses import CLUSTER_DOMAIN, HOST_ADDRESS, HOST_NAME
from podready.kube.meta import Object, key

TTL_SECONDS: Final = 30
"""How long an answer may be kept: that of kubeadm's Corefile."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where names find Services and EndpointSlices, both by "namespace/name" of the Service."""

    service: Callable[[str], Object | None]
    slices: Callable[[str], Iterable[Object]]


def is_ours(name: str) -> bool:
    """Whether only the cluster can resolve the name."""
    return name in {HOST_NAME, CLUSTER_DOMAIN} or name.endswith("." + CLUSTER_DOMAIN)


def resolve(name: str, lookup: Lookup) -> list[Record] | None:
    """Return all records of a full name in lower case; None when there is no such name."""
    if name == HOST_NAME:
        return [address(HOST_ADDRESS)]
    if not is_ours(name):
        return None
    match name.removesuffix(CLUSTER_DOMAIN).rstrip(".").split("."):
        case [service, namespace, "svc"]:
            return _service(service, namespace, lookup)
        case [hostname, service, namespace, "svc"]:
            return _pod_of_service(hostname, key(namespace, service), lookup) or None
        case [port, protocol, service, namespace, "svc"]:
            return _port(port, protocol, key(namespace, service), lookup) or None
        case [dashed, _, "pod"]:
            return _dashed(dashed)
    return None


def _service(name: str, namespace: str, lookup: Lookup) -> list[Record] | None:
    found = lookup.service(key(namespace, name))
    if found is None:
        return None
    spec = found["spec"]
    if spec.get("type") == "ExternalName":
        return [alias(spec["externalName"])]
    if spec.get("clusterIP") != "None":
        return [address(spec["clusterIP"])]
    slices = lookup.slices(key(namespace, name))
    ready = {ip for each in slices for ip, _ in _ready(each)}
    return [address(ip) for ip in sorted(ready)]


def _pod_of_service(hostname: str, service: str, lookup: Lookup) -> list[Record]:
    named = {ip for each in lookup.slices(service) for ip, name in _ready(each) if name == hostname}
    return [address(ip) for ip in sorted(named)]


def _port(port: str, protocol: str, service: str, lookup: Lookup) -> list[Record]:
    """Return the SRV records of a named port: the Service's, or a headless one's pods'."""
    found = lookup.service(service)
    if found is None or not (port.startswith("_") and protocol.startswith("_")):
        return []
    namespace, _, name = service.partition("/")
    host = f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"
    wanted = (port[1:], protocol[1:].upper())
    if found["spec"].get("clusterIP") != "None":
        ports = found["spec"].get("ports") or ()
        return [server(p["port"], host) for p in ports if _names(p) == wanted]
    return [
        server(p["port"], f"{named or ip.replace('.', '-')}.{host}")
        for each in lookup.slices(service)
        for p in each.get("ports") or ()
        if _names(p) == wanted
        for ip, named in _ready(each)
    ]


def _dashed(text: str) -> list[Record] | None:
    """Return the address that a pod's name spells, whether there is such a pod or not."""
    try:
        return [address(str(IPv4Address(text.replace("-", "."))))]
    except ValueError:
        return None


def _names(port: Object) -> tuple[str, str]:
    return port.get("name") or "", port.get("protocol") or "TCP"


def _ready(slice_: Object) -> Iterator[tuple[str, str]]:
    """Yield address and host name of the endpoints that are ready, or published unready."""
    for endpoint in slice_.get("endpoints") or ():
        if (endpoint.get("conditions") or {}).get("ready") is not False:
            yield endpoint["addresses"][0], endpoint.get("hostname") or ""
