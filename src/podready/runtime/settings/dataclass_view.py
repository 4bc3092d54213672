"""A real dataclass with the fields of a `Settings` class, for callers of `dataclasses`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from podready.runtime.settings.variable import MISSING

if TYPE_CHECKING:
    from podready.runtime.settings.variable import Declaration


def dataclass_of(kind: Any) -> type:
    """Return a frozen dataclass with the same fields; it is made once for a class."""
    made = kind.__dict__.get("_dataclass")
    if made is None:
        fields = [
            (name, kind.__annotations__.get(name, Any), _field(kind, name, declaration))
            for name, declaration in kind._declared.items()
        ]
        made = dataclasses.make_dataclass(kind.__name__, fields, frozen=True, kw_only=True)
        kind._dataclass = made
    return made  # type: ignore[no-any-return]


def _field(kind: Any, name: str, declaration: Declaration) -> Any:
    if declaration.default is MISSING:
        return dataclasses.field()
    return dataclasses.field(default_factory=lambda: kind.default_of(name))
