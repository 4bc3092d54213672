"""The query parameters of a request, read once and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from podready.kube.status import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE = ("1", "t", "T", "true", "True", "TRUE")
_FALSE = ("", "0", "f", "F", "false", "False", "FALSE")


def boolean(query: Mapping[str, str], name: str) -> bool:
    """Return a flag (Go's strconv.ParseBool); missing is false, anything odd a BadRequest."""
    value = query.get(name, "")
    if value not in _TRUE + _FALSE:
        raise BadRequest(f'invalid value "{value}" of {name}: not a boolean')
    return value in _TRUE


def number(query: Mapping[str, str], name: str) -> int | None:
    """Return a whole number that is not negative, None when it is missing."""
    value = query.get(name, "")
    if not value:
        return None
    if not value.isdecimal():
        raise BadRequest(f'invalid value "{value}" of {name}: not a whole number')
    return int(value)


def dry_run(values: list[str]) -> bool:
    """Whether nothing is to be stored; BadRequest for any value but All."""
    if any(value != "All" for value in values):
        raise BadRequest(f"Invalid value: {values}: dryRun: supported values: All")
    return bool(values)


@dataclass(frozen=True, slots=True)
class ListParameters:
    """What list and watch requests may ask for; `limit` and `continue` are answered in one page."""

    labels: str
    fields: str
    watch: bool
    resource_version: str
    bookmarks: bool
    initial_events: bool
    timeout: int | None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Return the parameters of a query string."""
        return cls(
            labels=query.get("labelSelector", ""),
            fields=query.get("fieldSelector", ""),
            watch=boolean(query, "watch"),
            resource_version=query.get("resourceVersion", ""),
            bookmarks=boolean(query, "allowWatchBookmarks"),
            initial_events=boolean(query, "sendInitialEvents"),
            timeout=number(query, "timeoutSeconds"),
        )
