"""Fields that every line gets: what the app binds to what it does, and the request under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

Fields = Mapping[str, object]

context: ContextVar[Fields | None] = ContextVar("podready_log_context", default=None)
"""Fields that an app binds to what it does; every line in that context gets them."""

SOURCES: Final[list[Callable[[], Fields | None]]] = []
"""Whoever has fields for every line."""


def add_source(source: Callable[[], Fields | None]) -> None:
    """Ask `source` for fields with every line; it is cheap, and None means nothing to add.

    The runtime's own is the request under way: nothing is computed for a request that logs nothing.
    """
    SOURCES.append(source)


def in_context(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a line with those of its context, which they win over."""
    bound = context.get()
    if bound:
        fields = {**bound, **fields}
    for source in SOURCES:
        found = source()
        if found:
            fields = {**found, **fields}
    return fields
