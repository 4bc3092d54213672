"""attrs classes: types as in `Settings`, converters and validators as attrs runs them.

`metadata={"env": "PORT", "doc": "where the app listens", "separator": ":"}` is what `var` declares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from podready.runtime.settings.app_errors import describe_error
from podready.runtime.settings.parsers import Parser
from podready.runtime.settings.schema import Adapter, Field, ValidationError
from podready.runtime.settings.variable import COMPUTED, MISSING, Declaration


def _fields(kind: Any) -> list[Field]:
    try:
        attrs.resolve_types(kind)
    except NameError as error:
        raise TypeError(f"{kind.__name__}: {error} at run time") from None
    return [_field(attribute) for attribute in attrs.fields(kind) if attribute.init]


def _field(attribute: Any) -> Field:
    metadata = attribute.metadata
    declared = Declaration(
        default=_default(attribute.default),
        env=metadata.get("env"),
        doc=metadata.get("doc", ""),
        separator=metadata.get("separator", ","),
        key_separator=metadata.get("key_separator", "="),
    )
    parser = _converted(attribute) if attribute.converter else None
    return Field(attribute.alias, attribute.type or str, declared, parser, attribute.name)


def _default(default: Any) -> Any:
    if default is attrs.NOTHING:
        return MISSING
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # mypy does not know it as a class
        return COMPUTED if default.takes_self else default.factory()
    return default


def _converted(attribute: Any) -> Parser:
    """Return a parser that leaves the text to the converter, after one try for the report."""
    convert: Callable[[str], Any] = attribute.converter
    takes_more = isinstance(convert, attrs.Converter)

    def parse(text: str) -> str:
        if not takes_more:
            convert(text)
        return text

    return Parser(getattr(attribute.type, "__name__", None) or str(attribute.type or "str"), parse)


def _make(kind: Any, values: dict[str, Any]) -> Any:
    try:
        return kind(**values)
    except Exception:
        reasons = _reasons(kind, values)
        if not reasons:
            raise
        raise ValidationError(reasons) from None


def _reasons(kind: Any, values: dict[str, Any]) -> list[tuple[str, str]]:
    """Run every validator on its own, so that each rejected field is named."""
    with attrs.validators.disabled():
        try:
            instance = kind(**values)
        except Exception:  # noqa: BLE001 - not a validator: it is reported for the class
            return []
    reasons = []
    for attribute in attrs.fields(kind):
        if attribute.validator is None:
            continue
        try:
            attribute.validator(instance, attribute, getattr(instance, attribute.name))
        except Exception as error:  # noqa: BLE001 - validators may raise anything
            reasons.append((attribute.alias, _reason_of(error)))
    return reasons


def _reason_of(error: Exception) -> str:
    """Return the sentence; attrs' own errors have the field and the value as further arguments."""
    if isinstance(error, ValueError | TypeError) and error.args:
        return str(error.args[0])
    return describe_error(error, "is refused")


ADAPTER: Final = Adapter(_fields, _make)
