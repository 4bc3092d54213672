"""`RehearsalResult` <-> report.json (schema podready.rehearsal/v1), so a result can be redrawn."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

from podready.rehearse.result import SCHEMA, RehearsalResult


def to_json(result: RehearsalResult) -> str:
    """Return the result as indented JSON, the schema's name first."""
    fields = dataclasses.asdict(result)
    return json.dumps({"schema": fields.pop("schema"), **fields}, indent=1, ensure_ascii=False)


def from_json(text: str) -> RehearsalResult:
    """Return the result that `to_json` wrote; unknown fields are ignored.

    Raises ValueError when the text is no result of this schema.
    """
    fields = json.loads(text)
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        raise ValueError(f"not a {SCHEMA} document")
    built = _build(RehearsalResult, fields)
    assert isinstance(built, RehearsalResult)
    return built


def _build(kind: Any, value: Any) -> Any:
    """Return `value` (JSON) as the annotated type: dataclasses, tuples, enums, optionals."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        inner = typing.get_args(kind)[0]
        return tuple(_build(inner, item) for item in value)
    if origin in (typing.Union, types.UnionType):
        inner = next(arg for arg in typing.get_args(kind) if arg is not type(None))
        return None if value is None else _build(inner, value)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return value


def _build_dataclass(kind: Any, value: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.name in value]
    return kind(**{name: _build(hints[name], value[name]) for name in names})
