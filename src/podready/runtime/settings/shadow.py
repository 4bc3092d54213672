"""A real dataclass in the shape of a `Settings` class, for who asks `dataclasses` about one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from podready.runtime.settings.variable import MISSING

if TYPE_CHECKING:
    from podready.runtime.settings.variable import Declaration


def shadow_of(kind: Any) -> type:
    """Return a frozen dataclass with the same fields."""
    found = kind.__dict__.get("_shadow")
    if found is None:
        fields = [
            (name, kind.__annotations__.get(name, Any), _field(kind, name, said))
            for name, said in kind._declared.items()
        ]
        found = dataclasses.make_dataclass(kind.__name__, fields, frozen=True, kw_only=True)
        kind._shadow = found
    return found  # type: ignore[no-any-return]


def _field(kind: Any, name: str, said: Declaration) -> Any:
    if said.default is MISSING:
        return dataclasses.field()
    return dataclasses.field(default_factory=lambda: kind.default_of(name))
