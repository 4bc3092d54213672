"""A settings class as a list of environment variables."""

from __future__ import annotations

import copy
import dataclasses
from enum import Enum
from typing import Any, NamedTuple, get_origin, get_type_hints

from podready.runtime.settings.parsers import Parser, parser_for
from podready.runtime.settings.secret import MASK, Secret
from podready.runtime.settings.variable import MISSING, Declaration, declaration


class Variable(NamedTuple):
    """One environment variable and the field it fills."""

    field: str
    name: str
    parser: Parser
    declared: Declaration
    default: Any  # of the field's type, or MISSING

    @property
    def required(self) -> bool:
        """Say whether the app cannot start without it."""
        return self.default is MISSING

    @property
    def secret(self) -> bool:
        """Say whether its value must never be shown."""
        return self.parser.secret

    def fresh_default(self) -> Any:
        """Return the default; of a list, dict or set a copy, so that instances share nothing."""
        return copy.copy(self.default)

    @property
    def expected(self) -> str:
        """Return type and default for people: `(int, default 8080)`."""
        if self.required:
            return f"({self.parser.name}, required)"
        shown = (
            MASK if self.secret and self.default else _shown(self.default, self.declared.separator)
        )
        return f"({self.parser.name}, default {shown})"


def variables(cls: type, prefix: str) -> tuple[Variable, ...]:
    """Return the variables of a settings class in the order of its fields.

    Raises TypeError for a type that settings do not know and ValueError for a default that its
    own type refuses: both are mistakes in the class, not in the environment.
    """
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise TypeError(
            f"{cls.__name__}: {error} at run time; import the type outside `if TYPE_CHECKING:`"
        ) from None
    return tuple(
        _variable(field, hints[field.name], prefix)
        for field in dataclasses.fields(cls)
        if field.init
    )


def _variable(field: dataclasses.Field[Any], hint: Any, prefix: str) -> Variable:
    declared = declaration(field)
    parser = _parser(hint, declared)
    name = declared.env or f"{prefix}{field.name.upper()}"
    return Variable(field.name, name, parser, declared, _default(hint, parser, declared.default))


def _parser(hint: Any, declared: Declaration) -> Parser:
    """Return the type's own parser, or the one given to `var`; a Secret stays one either way."""
    own = declared.parser
    if own is None:
        return parser_for(hint, declared.separator)
    if (get_origin(hint) or hint) is Secret:
        return Parser("secret", lambda text: Secret(own(text)), secret=True)
    return Parser(getattr(hint, "__name__", str(hint)), own)


def _default(hint: Any, parser: Parser, default: Any) -> Any:
    """Bring a default into the field's type: texts are parsed, tuples become lists."""
    origin = get_origin(hint) or hint
    if isinstance(default, str) and hint is not str:
        return parser.parse(default)
    if origin in (list, set, frozenset, tuple) and isinstance(default, list | tuple | set):
        return origin(default)
    return default


def _shown(value: Any, separator: str) -> str:
    """Return a default as it would stand in the environment."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if type(value).__name__ == "timedelta":
        from podready.runtime.settings.durations import format_duration

        return format_duration(value)
    if isinstance(value, dict):
        return separator.join(f"{key}={item}" for key, item in value.items()) or "empty"
    if isinstance(value, list | tuple | set | frozenset):
        return separator.join(map(str, value)) or "empty"
    return str(value) or "empty"
