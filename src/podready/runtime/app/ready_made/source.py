"""The source of a check: a client or pool, or a function that returns it once it exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Source: TypeAlias = T | Callable[[], T]


def resolve(source: Any) -> Any:
    """Return the thing; a pool that is made in lifespan is asked for at each run."""
    return source() if callable(source) else source
