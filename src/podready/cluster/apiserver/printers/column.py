"""One column of a table: its heading and how its cell is made from an object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podready.kube.meta import Object
from podready.kube.times import age, human_duration

Cell = str | int
CellOf = Callable[[Object, datetime], Cell]

NONE = "<none>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and its cells; `wide` ones show with `-o wide` only."""

    name: str
    cell: CellOf
    type: str = "string"
    format: str = ""
    wide: bool = False

    def definition(self) -> dict[str, Any]:
        """Return the TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": int(self.wide),
        }


def age_of(since: str | None, now: datetime) -> str:
    """Return how long ago a timestamp was, as kubectl shows ages."""
    return human_duration(age(since, now)) if since else UNKNOWN


def _name(obj: Object, _: datetime) -> Cell:
    return str(obj["metadata"]["name"])


def _age(obj: Object, now: datetime) -> Cell:
    return age_of(obj["metadata"].get("creationTimestamp"), now)


NAME = Column("Name", _name, format="name")
AGE = Column("Age", _age)


def joined(values: Iterable[Any], separator: str = ",") -> str:
    """Return the values side by side, or <none>."""
    return separator.join(str(value) for value in values if value not in (None, "")) or NONE


def pairs(labels: dict[str, str] | None) -> str:
    """Return `a=b,c=d`, or <none>."""
    return joined(f"{key}={value}" for key, value in sorted((labels or {}).items()))
