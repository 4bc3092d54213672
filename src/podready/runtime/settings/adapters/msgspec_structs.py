"""msgspec Structs: types as in `Settings`, else as msgspec reads them; `Meta` constraints hold.

`Meta(description=..., extra={"env": "PORT", "separator": ":"})` is what `var` declares.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from podready.runtime.settings.parsers import Parser, parser_for
from podready.runtime.settings.schema import Adapter, Field, make
from podready.runtime.settings.variable import MISSING, Declaration


def _fields(kind: Any) -> list[Field]:
    try:
        return [_field(info) for info in msgspec.structs.fields(kind)]
    except NameError as error:
        raise TypeError(f"{kind.__name__}: {error} at run time") from None


def _field(info: Any) -> Field:
    metas = _metas(info.type)
    extra: dict[str, Any] = {}
    for meta in metas:
        extra |= meta.extra or {}
    declared = Declaration(
        default=_default(info),
        env=extra.get("env"),
        doc=next((meta.description for meta in metas if meta.description), ""),
        separator=extra.get("separator", ","),
        key_separator=extra.get("key_separator", "="),
    )
    plain = get_args(info.type)[0] if metas else info.type
    if hasattr(plain, "__struct_fields__"):
        return Field(info.name, plain, declared)
    return Field(info.name, plain, declared, _parser(info.type, declared, checked=bool(metas)))


def _metas(hint: Any) -> list[msgspec.Meta]:
    if get_origin(hint) is not Annotated:
        return []
    return [each for each in get_args(hint)[1:] if isinstance(each, msgspec.Meta)]


def _default(info: Any) -> Any:
    if info.default is not msgspec.NODEFAULT:
        return info.default
    if info.default_factory is not msgspec.NODEFAULT:
        return info.default_factory()
    return MISSING


def _parser(hint: Any, declared: Declaration, *, checked: bool) -> Parser | None:
    """Return podready's parser with msgspec's constraints behind it, or msgspec's own.

    None: the field is a section, or its type's own parser is used.
    """
    plain = get_args(hint)[0] if checked else hint
    parser = _own_parser(plain, declared)
    if parser is None:
        if get_args(plain) or not isinstance(plain, type) or not _read_by_msgspec(plain):
            return None
        return Parser(plain.__name__, lambda text: _convert(text, hint), write=_write)
    if not checked:
        return None
    return Parser(
        parser.name,
        lambda text: _convert(parser.parse(text), hint),
        secret=parser.secret,
        optional=parser.optional,
    )


def _own_parser(hint: Any, declared: Declaration) -> Parser | None:
    if hint is bytes:
        return None  # base64 to msgspec
    try:
        return parser_for(hint, declared.separator, declared.key_separator)
    except TypeError:
        return None


def _read_by_msgspec(hint: type) -> bool:
    """Say whether msgspec makes this type of a text (it knows it, and it has no fields)."""
    kind = type(msgspec.inspect.type_info(hint)).__name__
    return kind not in {"CustomType", "StructType", "DataclassType"}


def _write(value: Any) -> str:
    return str(msgspec.to_builtins(value))


def _convert(value: Any, hint: Any) -> Any:
    try:
        return msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"is refused: {error}") from None


ADAPTER: Final = Adapter(_fields, make)
