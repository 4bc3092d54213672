"""Objects as `meta.k8s.io/v1` Tables: the server side of `kubectl get`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.cluster.apiserver.printers import cluster, networking, pods, workloads
from podready.cluster.apiserver.printers.column import NAME, Column
from podready.kube.gvk import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    Resource,
)
from podready.kube.meta import Object, resource_version_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_COLUMNS: dict[Resource, tuple[Column, ...]] = {
    POD: pods.COLUMNS,
    DEPLOYMENT: workloads.DEPLOYMENT_COLUMNS,
    REPLICA_SET: workloads.REPLICA_SET_COLUMNS,
    SERVICE: networking.SERVICE_COLUMNS,
    ENDPOINT_SLICE: networking.ENDPOINT_SLICE_COLUMNS,
    NODE: cluster.NODE_COLUMNS,
    NAMESPACE: cluster.NAMESPACE_COLUMNS,
    CONFIG_MAP: cluster.CONFIG_MAP_COLUMNS,
    SECRET: cluster.SECRET_COLUMNS,
    EVENT: cluster.EVENT_COLUMNS,
}
_CREATED = Column("Created At", lambda o, _: o["metadata"].get("creationTimestamp", ""))


def columns_of(resource: Resource) -> tuple[Column, ...]:
    """Return the columns of a resource; name and creation time where it has none of its own."""
    return _COLUMNS.get(resource, (NAME, _CREATED))


def table(
    resource: Resource,
    objects: Iterable[Object],
    *,
    now: datetime,
    resource_version: str = "",
    include: str = "Metadata",
    headings: bool = True,
) -> dict[str, Any]:
    """Return the Table of objects.

    `include` says what each row carries besides its cells: Metadata, Object or None. A watch
    sends its `headings` with the first event only.
    """
    columns = columns_of(resource)
    rows = [
        {"cells": [column.cell(obj, now) for column in columns], **_carried(obj, include)}
        for obj in objects
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": resource_version},
        "columnDefinitions": [column.definition() for column in columns] if headings else [],
        "rows": rows,
    }


def bookmark_table(obj: Object) -> dict[str, Any]:
    """Return the Table form of a bookmark: a row without cells that carries its metadata."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": resource_version_of(obj)},
        "columnDefinitions": [],
        "rows": [{"cells": [], "object": partial(obj)}],
    }


def partial(obj: Object) -> dict[str, Any]:
    """Return the PartialObjectMetadata of an object."""
    kind = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return kind | {"metadata": obj["metadata"]}


def _carried(obj: Object, include: str) -> dict[str, Any]:
    if include == "None":
        return {}
    return {"object": obj if include == "Object" else partial(obj)}
