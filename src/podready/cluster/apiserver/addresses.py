"""Cluster addresses and node ports of Services."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from podready.kube.addresses import RESERVED, SERVICE_NETWORK
from podready.kube.gvk import SERVICE
from podready.kube.meta import key_of
from podready.kube.status import InternalError, Invalid, StatusCause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podready.cluster.store.store import Store
    from podready.kube.meta import Object

_FIRST_GIVEN = 10  # below are the addresses that people choose themselves
_NODE_PORTS = range(30000, 32768)


def allocate(store: Store, service: Object, old: Object | None = None) -> None:
    """Give a Service its address and node ports, in place; Invalid when its choice is taken."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return
    if old and not spec.get("clusterIP"):
        spec["clusterIP"] = old["spec"].get("clusterIP")
    taken = {s["spec"].get("clusterIP") for s in _others(store, service)}
    taken |= RESERVED if key_of(service) != "default/kubernetes" else set()
    if not spec.get("clusterIP"):
        spec["clusterIP"] = next(ip for ip in _candidates() if ip not in taken)
    elif old is None and spec["clusterIP"] != "None":
        _check_asked(service, taken)
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        _allocate_node_ports(store, service)


def _others(store: Store, service: Object) -> Iterator[Object]:
    me = service["metadata"]
    for other in store.list(SERVICE):
        meta = other["metadata"]
        if (meta["namespace"], meta["name"]) != (me["namespace"], me["name"]):
            yield other


def _candidates() -> Iterator[str]:
    for number in range(_FIRST_GIVEN, SERVICE_NETWORK.num_addresses - 1):
        yield str(SERVICE_NETWORK[number])
    raise InternalError("no free service address is left in 10.96.0.0/12")


def _check_asked(service: Object, taken: set[str]) -> None:
    address = service["spec"]["clusterIP"]
    why = ""
    if address in taken:
        why = "provided IP is already allocated"
    elif ipaddress.IPv4Address(address) not in SERVICE_NETWORK:
        why = f"provided IP is not in the valid range. The range of valid IPs is {SERVICE_NETWORK}"
    if why:
        message = f'Invalid value: ["{address}"]: failed to allocate IP {address}: {why}'
        cause = StatusCause("FieldValueInvalid", message, "spec.clusterIPs")
        raise Invalid.of(SERVICE, service["metadata"]["name"], [cause])


def _allocate_node_ports(store: Store, service: Object) -> None:
    taken = {
        port.get("nodePort")
        for other in _others(store, service)
        for port in other["spec"].get("ports") or ()
    }
    for port in service["spec"].get("ports") or ():
        if not port.get("nodePort"):
            port["nodePort"] = next(number for number in _NODE_PORTS if number not in taken)
        taken.add(port["nodePort"])
