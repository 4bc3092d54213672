"""Plain dataclasses: types as in `Settings`.

`field(metadata={"env": "PORT", "doc": "where the app listens", "separator": ":"})` is what `var`
declares.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from podready.runtime.settings.schema import Adapter, Field, hints_of, make
from podready.runtime.settings.variable import MISSING, Declaration


def _fields(kind: Any) -> list[Field]:
    hints = hints_of(kind)
    return [
        Field(field.name, hints[field.name], declared_of(field))
        for field in dataclasses.fields(kind)
        if field.init
    ]


def declared_of(field: dataclasses.Field[Any]) -> Declaration:
    """Return what a field of a dataclass declares."""
    metadata = field.metadata
    return Declaration(
        default=_default(field),
        env=metadata.get("env"),
        doc=metadata.get("doc", ""),
        separator=metadata.get("separator", ","),
        key_separator=metadata.get("key_separator", "="),
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return MISSING


ADAPTER: Final = Adapter(_fields, make)
