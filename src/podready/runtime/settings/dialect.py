"""How a library's classes tell their fields and are made: dataclasses here, others by adapter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, get_type_hints

from podready.runtime.settings.parsers import Parser
from podready.runtime.settings.variable import Declaration, declaration


class Field(NamedTuple):
    """One field: the keyword of its class' constructor, its type, and what is declared of it."""

    name: str
    hint: Any
    declared: Declaration
    parser: Parser | None = None  # instead of the type's own
    attribute: str = ""  # its name in the class, where that is another one
    aliases: tuple[str, ...] = ()  # further names of its variable


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """A class refused its values: (field, reason) pairs, with an empty field for all of them."""

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


class Dialect(NamedTuple):
    """The two things that settings need to know about a kind of class."""

    fields: Callable[[Any], Iterable[Field]]
    make: Callable[[Any, dict[str, Any]], Any]


_MARKS: Final = {
    "__attrs_attrs__": "attrs_classes",
    "__struct_fields__": "msgspec_structs",
    "model_fields": "pydantic_models",
}
"""An attribute of the classes of a library -> the adapter that is imported for them."""


def dialect_of(kind: Any) -> Dialect | None:
    """Return the dialect of a class with fields, None for any other type."""
    if not isinstance(kind, type):
        return None
    for mark, module in _MARKS.items():
        if hasattr(kind, mark):
            from importlib import import_module

            adapter = import_module(f"podready.runtime.settings.adapters.{module}")
            return adapter.DIALECT  # type: ignore[no-any-return]
    return DATACLASS if dataclasses.is_dataclass(kind) else None


def hints_of(kind: type) -> dict[str, Any]:
    """Return the types of a class' fields; TypeError for a name that nobody defined."""
    try:
        return get_type_hints(kind)
    except NameError as error:
        raise TypeError(
            f"{kind.__name__}: {error} at run time; import the type outside `if TYPE_CHECKING:`"
        ) from None


def _fields(kind: Any) -> list[Field]:
    hints = hints_of(kind)
    return [
        Field(field.name, hints[field.name], declaration(field))
        for field in dataclasses.fields(kind)
        if field.init
    ]


def _make(kind: Any, values: dict[str, Any]) -> Any:
    """Make an instance; a ValueError of its __post_init__ concerns all of it."""
    try:
        return kind(**values)
    except ValueError as error:
        raise Refused([("", str(error))]) from None


DATACLASS: Final = Dialect(_fields, _make)
