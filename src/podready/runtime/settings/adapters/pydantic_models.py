"""pydantic models as sections and fields: read like `Settings`, validated by pydantic."""

from __future__ import annotations

import types
from collections.abc import Sequence
from json import dumps
from typing import Annotated, Any, Final, Union, get_args, get_origin

import pydantic
from pydantic_core import PydanticUndefined

from podready.runtime.settings.parsers import Parser, parser_for
from podready.runtime.settings.schema import Adapter, Field, ValidationError
from podready.runtime.settings.variable import COMPUTED, MISSING, Declaration

_APP_ERRORS: Final = {"value_error", "assertion_error"}
"""Errors of an app's own validators, whose text is all there is to say."""


def declared_of(info: Any) -> Declaration:
    """Return what a pydantic field declares."""
    return Declaration(default=_default(info), doc=info.description or "")


def _default(info: Any) -> Any:
    if info.default is not PydanticUndefined:
        return info.default
    if info.default_factory is None:
        return MISSING
    try:
        return info.default_factory()
    except Exception:  # noqa: BLE001 - it takes other fields, or needs an environment to run
        return COMPUTED


def pydantic_parser(info: Any, *, json: bool) -> Parser:
    """Return a parser that reads a text as pydantic does; `json` if it has to be JSON first."""
    hint = info.annotation

    def parse(text: str) -> Any:
        adapter = _adapter(info)
        try:
            return adapter.validate_json(text) if json else adapter.validate_python(text)
        except pydantic.ValidationError as error:
            raise ValueError(reason_of(error.errors(include_url=False)[0])) from None

    def write(value: Any) -> str:
        plain = _adapter(info).dump_python(value, mode="json", warnings=False)
        return plain if isinstance(plain, str) and not json else dumps(plain)

    name = type_name(hint)
    if json:
        name = f"{name.partition(' separated by ')[0]} as JSON"
    return Parser(name, parse, secret=is_secret(hint), optional=is_optional(hint), write=write)


def _adapter(info: Any) -> pydantic.TypeAdapter[Any]:
    hint = info.annotation
    kind: Any = Annotated[hint, *info.metadata] if info.metadata else hint
    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    model = isinstance(hint, type) and issubclass(hint, pydantic.BaseModel)
    return pydantic.TypeAdapter(kind, config=None if model else config)


def reason_of(error: Any) -> str:
    """Return the second half of a sentence that begins with the value, without the value."""
    if error["type"] in _APP_ERRORS:
        return f"is refused: {error['msg'].partition(', ')[2] or error['msg']}"
    return f"is refused: {error['msg'][:1].lower()}{error['msg'][1:]}"


def type_name(hint: Any) -> str:
    """Return a type's name as reports show it."""
    try:
        return parser_for(hint).name
    except TypeError:
        pass
    kinds = [each for each in get_args(hint) if each is not type(None)]
    if is_optional(hint):
        return type_name(kinds[0]) if len(kinds) == 1 else " or ".join(map(type_name, kinds))
    if kinds and get_origin(hint) in (list, set, frozenset, tuple, dict):
        items = ", ".join(type_name(each) for each in kinds if each is not Ellipsis)
        return f"{get_origin(hint).__name__} of {items}"
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def is_optional(hint: Any) -> bool:
    """Say whether a type allows None."""
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def is_secret(hint: Any) -> bool:
    """Say whether a type hides its value, or is a URL that holds a password."""
    kinds = [hint, *get_args(hint)]
    return any(
        hasattr(kind, "get_secret_value") or str(getattr(kind, "__name__", "")).endswith("Dsn")
        for kind in kinds
    )


def alias_names(info: Any) -> Sequence[str]:
    """Return the aliases of a field in their order."""
    alias = info.validation_alias or info.alias
    choices = getattr(alias, "choices", [alias] if alias else [])
    paths = [getattr(choice, "path", [choice]) for choice in choices]
    return [str(path[0]) for path in paths]


def _fields(kind: Any) -> list[Field]:
    """Return the fields of a model that is a section of a class that is not pydantic's."""
    return [_field(name, info) for name, info in kind.model_fields.items()]


def _field(name: str, info: Any) -> Field:
    declared = declared_of(info)
    hint = info.annotation
    keyword = next(iter(alias_names(info)), name)
    try:
        reader = parser_for(hint)
    except TypeError:
        section = hasattr(hint, "model_fields")
        parser = None if section else pydantic_parser(info, json=False)
        return Field(keyword, hint, declared, parser, name)
    return Field(keyword, hint, declared, reader, name)


def _make(kind: Any, values: dict[str, Any]) -> Any:
    try:
        return kind(**values)
    except pydantic.ValidationError as error:
        reasons = [
            (str(each["loc"][0]) if each["loc"] else "", reason_of(each))
            for each in error.errors(include_url=False)
        ]
        raise ValidationError(reasons) from None


ADAPTER: Final = Adapter(_fields, _make)
