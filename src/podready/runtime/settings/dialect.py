"""How a kind of class tells its fields and is made: `Settings` here, others by adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, get_type_hints

from podready.runtime.settings.parsers import Parser
from podready.runtime.settings.record import Record
from podready.runtime.settings.variable import Declaration


class Field(Record):
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


class Dialect(Record):
    """The two things that settings need to know about a kind of class."""

    fields: Callable[[Any], Iterable[Field]]
    make: Callable[[Any, dict[str, Any]], Any]


_MARKS: Final = {
    "__attrs_attrs__": "attrs_classes",
    "__struct_fields__": "msgspec_structs",
    "model_fields": "pydantic_models",
    "__dataclass_fields__": "plain_dataclasses",
}
"""An attribute of the classes of a library -> the adapter that is imported for them."""


def dialect_of(kind: Any) -> Dialect | None:
    """Return the dialect of a class with fields, None for any other type."""
    if not isinstance(kind, type):
        return None
    if hasattr(kind, "_declared"):
        return OURS
    for mark, module in _MARKS.items():
        if hasattr(kind, mark):
            from importlib import import_module

            adapter = import_module(f"podready.runtime.settings.adapters.{module}")
            return adapter.DIALECT  # type: ignore[no-any-return]
    return None


def hints_of(kind: type) -> dict[str, Any]:
    """Return the types of a class' fields; TypeError for a name that nobody defined."""
    try:
        return get_type_hints(kind)
    except NameError as error:
        raise TypeError(
            f"{kind.__name__}: {error} at run time; import the type outside `if TYPE_CHECKING:`"
        ) from None


def make(kind: Any, values: dict[str, Any]) -> Any:
    """Make an instance; a ValueError of its __post_init__ concerns all of it."""
    try:
        return kind(**values)
    except ValueError as error:
        raise Refused([("", str(error))]) from None


def _fields(kind: Any) -> list[Field]:
    hints = hints_of(kind)
    return [Field(name, hints[name], declared) for name, declared in kind._declared.items()]


OURS: Final = Dialect(_fields, make)
