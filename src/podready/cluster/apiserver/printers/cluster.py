"""The columns of Nodes, Namespaces, Events, ConfigMaps and Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.apiserver.printers.column import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    Cell,
    CellOf,
    Column,
    age_of,
    joined,
)
from podready.kube.meta import Object, dig, get_condition, labels_of

if TYPE_CHECKING:
    from datetime import datetime

_ROLE = "node-role.kubernetes.io/"


def _node_status(node: Object, _: datetime) -> Cell:
    ready = get_condition(node, "Ready")
    states = ["Unknown"] if ready is None else []
    if ready is not None:
        states = ["Ready" if ready.get("status") == "True" else "NotReady"]
    if dig(node, "spec", "unschedulable"):
        states.append("SchedulingDisabled")
    return ",".join(states)


def _roles(node: Object, _: datetime) -> Cell:
    return joined(sorted(k.removeprefix(_ROLE) for k in labels_of(node) if k.startswith(_ROLE)))


def _address(kind: str) -> CellOf:
    def cell(node: Object, _: datetime) -> Cell:
        addresses = dig(node, "status", "addresses", default=[])
        return next((str(a["address"]) for a in addresses if a["type"] == kind), NONE)

    return cell


def _info(field: str, missing: str) -> CellOf:
    def cell(node: Object, _: datetime) -> Cell:
        return str(dig(node, "status", "nodeInfo", field, default=missing))

    return cell


def _data(obj: Object, _: datetime) -> Cell:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


def _last_seen(event: Object, now: datetime) -> Cell:
    return age_of(event.get("lastTimestamp") or event.get("eventTime"), now)


def _first_seen(event: Object, now: datetime) -> Cell:
    return age_of(event.get("firstTimestamp") or event.get("eventTime"), now)


def _involved(event: Object, _: datetime) -> Cell:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _source(event: Object, _: datetime) -> Cell:
    source = event.get("source") or {}
    return ", ".join(filter(None, (source.get("component"), source.get("host"))))


NODE_COLUMNS = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _roles),
    AGE,
    Column("Version", _info("kubeletVersion", "")),
    Column("Internal-IP", _address("InternalIP"), wide=True),
    Column("External-IP", _address("ExternalIP"), wide=True),
    Column("OS-Image", _info("osImage", UNKNOWN), wide=True),
    Column("Kernel-Version", _info("kernelVersion", UNKNOWN), wide=True),
    Column("Container-Runtime", _info("containerRuntimeVersion", UNKNOWN), wide=True),
)
NAMESPACE_COLUMNS = (
    NAME,
    Column("Status", lambda n, _: dig(n, "status", "phase", default="")),
    AGE,
)
CONFIG_MAP_COLUMNS = (NAME, Column("Data", _data, type="integer"), AGE)
SECRET_COLUMNS = (
    NAME,
    Column("Type", lambda s, _: s.get("type", "")),
    Column("Data", _data, type="integer"),
    AGE,
)
EVENT_COLUMNS = (
    Column("Last Seen", _last_seen),
    Column("Type", lambda e, _: e.get("type", "")),
    Column("Reason", lambda e, _: e.get("reason", "")),
    Column("Object", _involved),
    Column("Subobject", lambda e, _: dig(e, "involvedObject", "fieldPath", default=""), wide=True),
    Column("Source", _source, wide=True),
    Column("Message", lambda e, _: str(e.get("message", "")).strip()),
    Column("First Seen", _first_seen, wide=True),
    Column("Count", lambda e, _: e.get("count", 1), type="integer", wide=True),
    Column("Name", lambda e, _: e["metadata"]["name"], format="name", wide=True),
)
