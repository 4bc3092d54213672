"""From the text of a variable to a value of its field's type; ValueError says what is wrong.

The message is the second half of a sentence whose first half is the quoted value
(`"80a"` + `is not an integer`), so it never repeats the value: it may be secret.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from podready.runtime.settings.secret import Secret
from podready.values import parse_boolean

Parse = Callable[[str], Any]

SEQUENCES: Final[dict[Any, type]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    Sequence: tuple,
    Collection: tuple,
    Iterable: tuple,
    AbstractSet: frozenset,
}
"""Types with items -> what is made of them; where the hint leaves a choice, what cannot change."""


class Parser:
    """How a type is read, and what to call it in a report."""

    def __init__(
        self,
        name: str,
        parse: Parse,
        *,
        secret: bool = False,
        optional: bool = False,
        write: Callable[[Any], str] | None = None,
    ) -> None:
        self.name, self.parse = name, parse
        self.secret = secret
        self.optional = optional  # the type allows None
        self.write = write  # the inverse of `parse`, where it is not texts.text_of


def parser_for(hint: Any, separator: str = ",", key_separator: str = "=") -> Parser:
    """Return the parser of a type hint; TypeError for an unknown type."""
    if is_scalar(hint):
        return _SCALARS[hint]
    hint = plain_type(hint)
    origin = get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        known = parser_for(_but_none(hint), separator, key_separator)
        return Parser(known.name, known.parse, secret=known.secret, optional=True)
    if origin is Literal:
        return _literal(get_args(hint))
    if origin is Secret:
        inner = parser_for((*get_args(hint), str)[0], separator, key_separator)
        return Parser(inner.name, lambda text: Secret(inner.parse(text)), secret=True)
    if origin in SEQUENCES:
        args = get_args(hint) if origin is tuple else (*get_args(hint), Ellipsis)
        return _sequence(SEQUENCES[origin], args, separator)
    if origin in (dict, Mapping):
        return _mapping(get_args(hint), separator, key_separator)
    return _single(hint)


def _single(hint: Any) -> Parser:
    """Return the parser of a type that is not a collection."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    from podready.runtime.settings.types.importable import reader_of

    reader = reader_of(hint)
    if reader is not None:
        return Parser(*reader)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    raise TypeError(f"settings do not know the type {hint!r}: give var() a parser")


def is_scalar(hint: Any) -> bool:
    """Say whether a hint is one of Python's own types that are read as a whole, as most are."""
    return type(hint) is type and hint in _SCALARS


def plain_type(hint: Any) -> Any:
    """Return the type behind Annotated, Final, NewType and `type` aliases."""
    while True:
        if get_origin(hint) in (Annotated, Final):
            hint = get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return hint


def _boolean(text: str) -> bool:
    try:
        return parse_boolean(text)
    except ValueError as error:
        raise ValueError(f"is not {error}") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("is not an integer") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("is not a number") from None
    if not math.isfinite(number):
        raise ValueError("is not a finite number")
    return number


def _bytes(text: str) -> bytes:
    """Return the bytes that the text has in the environment, those that are not UTF-8 too."""
    return text.encode("utf-8", "surrogateescape")


_SCALARS: Final[dict[Any, Parser]] = {
    str: Parser("str", str),
    bytes: Parser("bytes", _bytes),
    int: Parser("int", _integer),
    float: Parser("float", _number),
    bool: Parser("bool", _boolean),
}


def _but_none(hint: Any) -> Any:
    """`X | None` reads as X; other unions are ambiguous in a text."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    if len(kinds) != 1:
        raise TypeError(f"settings cannot choose among the types of {hint}: give var() a parser")
    return kinds[0]


def _literal(choices: tuple[Any, ...]) -> Parser:
    by_text = {str(choice): choice for choice in choices}
    return _choice(by_text)


def _enum(kind: type[Enum]) -> Parser:
    """An enum reads by value, and by name in any case."""
    names = {member.name.lower(): member for member in kind}
    values = {str(member.value): member for member in kind}
    shown = _choice(values)

    def parse(text: str) -> Any:
        return names[text.lower()] if text.lower() in names else shown.parse(text)

    return Parser(shown.name, parse)


def _choice(by_text: dict[str, Any]) -> Parser:
    name = "one of " + ", ".join(by_text)

    def parse(text: str) -> Any:
        if text not in by_text:
            raise ValueError(f"is not {name}")
        return by_text[text]

    return Parser(name, parse)


def _sequence(kind: type, args: tuple[Any, ...], separator: str) -> Parser:
    """Lists and their like: `a,b` or a JSON array."""
    fixed = kind is tuple and args and args[-1] is not Ellipsis
    items = [parser_for(arg) for arg in args if arg is not Ellipsis] or [_SCALARS[str]]

    def parse(text: str) -> Any:
        texts = _texts(text, separator)
        if fixed and len(texts) != len(items):
            raise ValueError(f"has {len(texts)} items, not {len(items)}")
        readers = items if fixed else items * len(texts)
        values = [_item(reader, value) for reader, value in zip(readers, texts, strict=True)]
        return values if kind is list else kind(values)

    names = ", ".join(item.name for item in items)
    shape = names if fixed else f"{names} separated by {separator!r}"
    return Parser(f"{kind.__name__} of {shape}", parse, secret=any(i.secret for i in items))


def _item(parser: Parser, text: str) -> Any:
    try:
        return parser.parse(text)
    except ValueError as error:
        if parser.secret:
            raise ValueError(f"has an item that is not a valid {parser.name}") from None
        from podready.runtime.settings.report import quote

        raise ValueError(f"has an item {quote('', text, secret=False)} that {error}") from None


def _texts(text: str, separator: str) -> list[str]:
    """Divide a list into the texts of its items; surrounding blanks do not count."""
    if not text.lstrip().startswith("["):
        parts = [part.strip() for part in text.split(separator)] if text.strip() else []
        if "" in parts:
            raise ValueError("has an empty item")
        return parts
    from podready.runtime.settings.types.json_texts import items_of

    return items_of(text)


def _mapping(args: tuple[Any, ...], separator: str, sign: str) -> Parser:
    """Dicts: `a=1,b=2` or a JSON object."""
    key, value = [parser_for(arg) for arg in args] or [_SCALARS[str]] * 2

    def parse(text: str) -> Any:
        pairs = _pairs(text, separator, sign)
        mapping = {_item(key, left): _item(value, right) for left, right in pairs}
        if len(mapping) < len(pairs):
            raise ValueError("has a key twice")
        return mapping

    name = f"dict of {key.name}{sign}{value.name} separated by {separator!r}"
    return Parser(name, parse, secret=key.secret or value.secret)


def _pairs(text: str, separator: str, sign: str) -> list[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        from podready.runtime.settings.types.json_texts import pairs_of

        return pairs_of(text)
    pairs = [part.partition(sign) for part in _texts(text, separator)]
    if not all(divider for _, divider, _ in pairs):
        raise ValueError(f"has an item without {sign}")
    return [(left.strip(), right.strip()) for left, _, right in pairs]
