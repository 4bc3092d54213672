"""The fields of a `Settings` class: collected, filled, compared and shown like a dataclass'.

The standard library's `dataclass` compiles six functions for each class and imports `inspect`:
1 ms and 12 ms of a start. These functions do the same for every class, and a real dataclass is
made only for who asks `dataclasses` about one.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar, get_origin

from podready.runtime.settings.variable import MISSING, Declaration


def declarations(kind: type) -> dict[str, Declaration]:
    """Return the fields of a class, those of its bases first, and leave only plain defaults."""
    found: dict[str, Declaration] = {}
    for base in reversed(kind.__mro__[1:]):
        found |= base.__dict__.get("_declared", {})
    for name, hint in _annotations(kind).items():
        if not _is_class_variable(hint):
            found[name] = _declaration(kind, name)
    return found


def _annotations(kind: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(kind, format=Format.FORWARDREF)
    found: dict[str, Any] = kind.__dict__.get("__annotations__", {})  # noqa: RUF063 - 8 ms
    return found


def _is_class_variable(hint: Any) -> bool:
    if isinstance(hint, str):
        return hint.partition("[")[0].rpartition(".")[2] == "ClassVar"
    return hint is ClassVar or get_origin(hint) is ClassVar


def _declaration(kind: type, name: str) -> Declaration:
    """Return what was said with `var`, with dataclasses.field, or by a default."""
    said = kind.__dict__.get(name, MISSING)
    if isinstance(said, Declaration):
        delattr(kind, name)
        return said
    if type(said).__module__ == "dataclasses" and type(said).__name__ == "Field":
        delattr(kind, name)
        from podready.runtime.settings.adapters.plain_dataclasses import declared_of

        return declared_of(said)
    return Declaration(said)


def fill(instance: Any, values: dict[str, Any]) -> None:
    """Set the fields of a new instance; TypeError as a function's call raises it."""
    kind = type(instance)
    declared: dict[str, Declaration] = kind._declared
    unknown = [name for name in values if name not in declared]
    if unknown:
        raise TypeError(f"{kind.__name__}() got an unexpected keyword argument {unknown[0]!r}")
    missing = []
    for name, said in declared.items():
        if name in values:
            instance.__dict__[name] = values[name]
        elif said.default is MISSING:
            missing.append(repr(name))
        else:
            instance.__dict__[name] = kind.default_of(name)
    if missing:
        raise TypeError(f"{kind.__name__}() lacks the keyword arguments {', '.join(missing)}")


def values_of(instance: Any) -> tuple[Any, ...]:
    """Return the values in the order of the fields."""
    return tuple(getattr(instance, name) for name in type(instance)._declared)


class AsDataclass:
    """A class attribute that only a real dataclass has: looked up on one made for the purpose."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, _instance: object, owner: Any) -> Any:
        return getattr(_shadow(owner), self._name)


def _shadow(kind: Any) -> type:
    """Return a frozen dataclass with the same fields."""
    found = kind.__dict__.get("_shadow")
    if found is None:
        import dataclasses

        fields = [
            (name, kind.__annotations__.get(name, Any), _field(kind, name, said))
            for name, said in kind._declared.items()
        ]
        found = dataclasses.make_dataclass(kind.__name__, fields, frozen=True, kw_only=True)
        kind._shadow = found
    return found  # type: ignore[no-any-return]


def _field(kind: Any, name: str, said: Declaration) -> Any:
    import dataclasses

    if said.default is MISSING:
        return dataclasses.field()
    return dataclasses.field(default_factory=lambda: kind.default_of(name))
