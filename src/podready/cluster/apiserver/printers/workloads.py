"""The columns of Deployments and ReplicaSets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.apiserver.printers.column import AGE, NAME, Cell, CellOf, Column, joined
from podready.kube.labels import from_label_selector, to_text
from podready.kube.meta import Object, dig

if TYPE_CHECKING:
    from datetime import datetime


def _number(*path: str) -> CellOf:
    """Return a cell that shows one number of the object, 0 when it is missing."""

    def cell(obj: Object, _: datetime) -> Cell:
        return int(dig(obj, *path, default=0))

    return cell


def _ready(deployment: Object, now: datetime) -> Cell:
    ready = _number("status", "readyReplicas")(deployment, now)
    return f"{ready}/{_number('spec', 'replicas')(deployment, now)}"


def _of_containers(field: str) -> CellOf:
    def cell(obj: Object, _: datetime) -> Cell:
        containers = dig(obj, "spec", "template", "spec", "containers", default=[])
        return joined(container.get(field) for container in containers)

    return cell


def _selector(obj: Object, _: datetime) -> Cell:
    return to_text(from_label_selector(dig(obj, "spec", "selector"))) or "<none>"


_WIDE = (
    Column("Containers", _of_containers("name"), wide=True),
    Column("Images", _of_containers("image"), wide=True),
    Column("Selector", _selector, wide=True),
)
DEPLOYMENT_COLUMNS = (
    NAME,
    Column("Ready", _ready),
    Column("Up-to-date", _number("status", "updatedReplicas"), type="integer"),
    Column("Available", _number("status", "availableReplicas"), type="integer"),
    AGE,
    *_WIDE,
)
REPLICA_SET_COLUMNS = (
    NAME,
    Column("Desired", _number("spec", "replicas"), type="integer"),
    Column("Current", _number("status", "replicas"), type="integer"),
    Column("Ready", _number("status", "readyReplicas"), type="integer"),
    AGE,
    *_WIDE,
)
