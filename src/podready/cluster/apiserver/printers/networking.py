"""The columns of Services and EndpointSlices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.apiserver.printers.column import AGE, NAME, NONE, Cell, Column, joined, pairs
from podready.kube.meta import Object, dig

if TYPE_CHECKING:
    from datetime import datetime

_SHOWN_ENDPOINTS = 3
_UNSET = "<unset>"


def _external_ip(service: Object, _: datetime) -> Cell:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", NONE))
    balancers = dig(service, "status", "loadBalancer", "ingress", default=[])
    known = joined(b.get("ip") or b.get("hostname") for b in balancers)
    if spec.get("type") == "LoadBalancer" and known == NONE:
        return "<pending>"
    return known if balancers else joined(spec.get("externalIPs") or ())


def _ports(service: Object, _: datetime) -> Cell:
    return joined(_port(port) for port in service["spec"].get("ports") or ())


def _port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"


def _slice_ports(endpoint_slice: Object, _: datetime) -> Cell:
    ports = endpoint_slice.get("ports") or ()
    return _shortened([str(port.get("port", "*")) for port in ports]) if ports else _UNSET


def _endpoints(endpoint_slice: Object, _: datetime) -> Cell:
    found = [a for e in endpoint_slice.get("endpoints") or () for a in e.get("addresses") or ()]
    return _shortened(found) if found else _UNSET


def _shortened(values: list[str]) -> str:
    shown = ",".join(values[:_SHOWN_ENDPOINTS])
    more = len(values) - _SHOWN_ENDPOINTS
    return f"{shown} + {more} more..." if more > 0 else shown


SERVICE_COLUMNS = (
    NAME,
    Column("Type", lambda s, _: s["spec"].get("type", NONE)),
    Column("Cluster-IP", lambda s, _: s["spec"].get("clusterIP") or NONE),
    Column("External-IP", _external_ip),
    Column("Port(s)", _ports),
    AGE,
    Column("Selector", lambda s, _: pairs(s["spec"].get("selector")), wide=True),
)
ENDPOINT_SLICE_COLUMNS = (
    NAME,
    Column("AddressType", lambda s, _: s.get("addressType", "")),
    Column("Ports", _slice_ports),
    Column("Endpoints", _endpoints),
    AGE,
)
