"""What a settings class says about one variable, and how it is declared."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_META: Final = "podready.var"


class Missing:
    """The default of a variable that has none."""


MISSING: Final = Missing()
COMPUTED: Final = Missing()
"""The default of a variable whose class computes one when it is made."""


class Declaration(NamedTuple):
    """The arguments of `var`, kept in the field's metadata.

    A NamedTuple is made in a sixth of the time of a frozen dataclass, and this runs at each start.
    """

    default: Any = MISSING
    env: str | None = None
    doc: str = ""
    separator: str = ","
    key_separator: str = "="
    allow_empty: bool = False
    expand: bool = False
    parser: Callable[[str], Any] | None = None


class Default:
    """A default factory that learns later, from the class, what type its value must have."""

    def __init__(self, declared: Any) -> None:
        self.convert: Callable[[], Any] = lambda: declared

    def __call__(self) -> Any:
        """Return a fresh default."""
        return self.convert()


def var(
    *,
    default: Any = MISSING,
    env: str | None = None,
    doc: str = "",
    separator: str = ",",
    key_separator: str = "=",
    allow_empty: bool = False,
    expand: bool = False,
    parser: Callable[[str], Any] | None = None,
) -> Any:
    """Declare a variable of a `Settings` class.

    `default` makes it optional; a text is parsed like the variable itself (`default="5m"` for a
    timedelta). `env` is the full name, where it is not prefix + upper-case field name; of a
    section, what the names of its variables begin with. `doc` is shown in error reports and by
    `podready config`. `separator` divides lists and dicts, `key_separator` a dict's keys from
    their values. An empty value is an error unless `allow_empty` (then `X | None` reads as None).
    `expand` replaces `${NAME}` and `${NAME:-default}` in the text. `parser` replaces the type's
    own: it takes the text and raises ValueError.
    """
    declared = Declaration(default, env, doc, separator, key_separator, allow_empty, expand, parser)
    metadata = {_META: declared}
    if default is MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default_factory=Default(default), metadata=metadata)


def declaration(field: dataclasses.Field[Any]) -> Declaration:
    """Return what was declared with `var`, or what a bare annotation or default amounts to."""
    found = field.metadata.get(_META)
    if isinstance(found, Declaration):
        return found
    if field.default is not dataclasses.MISSING:
        return Declaration(default=field.default)
    if field.default_factory is not dataclasses.MISSING:
        return Declaration(default=field.default_factory())
    return Declaration()
