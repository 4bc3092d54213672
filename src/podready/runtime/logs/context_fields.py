"""Fields that every line gets: what the app binds to what it does, and the request under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final

Fields = Mapping[str, object]

Source = Callable[[], Fields | None]
"""Returns fields for a line, None where there are none; it is asked with every line."""

context: Final[ContextVar[Fields | None]] = ContextVar("podready_log_context", default=None)
"""Fields that an app binds to what it does; every line in that context gets them."""


def with_context(fields: dict[str, Any], sources: Iterable[Source]) -> dict[str, Any]:
    """Return the fields of a line with those of its context; a field of the line's own wins."""
    bound = context.get()
    if bound:
        fields = {**bound, **fields}
    for source in sources:
        added = source()
        if added:
            fields = {**added, **fields}
    return fields
