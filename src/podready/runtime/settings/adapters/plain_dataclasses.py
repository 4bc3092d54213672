"""Plain dataclasses: types as in `Settings`.

`field(metadata={"env": "PORT", "doc": "where the app listens", "separator": ":"})` says what `var`
says.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from podready.runtime.settings.schema import Dialect, Field, hints_of, make
from podready.runtime.settings.variable import MISSING, Declaration


def _fields(kind: Any) -> list[Field]:
    hints = hints_of(kind)
    return [
        Field(field.name, hints[field.name], declared_of(field))
        for field in dataclasses.fields(kind)
        if field.init
    ]


def declared_of(field: dataclasses.Field[Any]) -> Declaration:
    """Return what a field of a dataclass says of itself."""
    said = field.metadata
    return Declaration(
        default=_default(field),
        env=said.get("env"),
        doc=said.get("doc", ""),
        separator=said.get("separator", ","),
        key_separator=said.get("key_separator", "="),
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return MISSING


DIALECT: Final = Dialect(_fields, make)
