"""Secrets stay out of the log: fields are redacted by their names.

A name is judged once: what is safe is remembered, so the common line pays for one
set comparison. Values are not searched for secrets (a regular expression over each line would cost
more than the line); what matters is kept from being logged by its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.values import Event, by_names, text
from podready.runtime.url_passwords import STARS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_ENDINGS: Final = (
    *("password", "passwd", "passphrase", "pwd", "secret", "credential", "cookie"),
    *("apikey", "privatekey", "accesskey", "secretkey", "encryptionkey", "signingkey"),
)
"""Endings of words that name a secret: `PGPASSWORD`, but not `passwordless` or `secretary`."""

_LAST: Final = ("token", "dsn", "jwt")
"""Only in the last word: `access_token` is a secret, `token_count` is not."""

_TOKENS: Final = frozenset(
    {"access", "refresh", "auth", "oauth", "api", "bearer", "session", "id", "csrf", "xsrf"}
    | {"security", "device", "secret", "reset", "user"}
)
"""What makes `tokens` secret ones; others are counted: `max_tokens`, `prompt_tokens`."""

_KEYS: Final = frozenset({"api", "private", "access", "secret", "encryption", "signing"})
"""What makes a `key` a secret one."""

_ABOUT: Final = frozenset({"id", "ids", "name", "names", "count", "type", "version", "size"})
"""Last words of names of things about a key: `private_key_id`."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MAX_NAMES: Final = 4096
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_MAPPINGS: Final = (dict, Mapping)
_LISTS: Final = (list, tuple, set, frozenset)
_USUAL: Final = frozenset({list, tuple})
_BRACE: Final = ord("{")
_DEPTH: Final = 20
"""Containers in containers; deeper ones may hide a secret and are left out."""

_MAX_CONTAINERS: Final = 20_000
"""In one event: a list that contains itself many times over would have no end."""

_MAX_HOLDERS: Final = 8
_TOO_DEEP: Final = "..."


class Redaction:
    """Decides by name; `more` are further secret names, `reserved` those that the format writes.

    `known_safe` holds the names that have been judged to be neither, nor one of the `special` that
    a format has something else to do about: a line with no others, and without containers in it,
    can go out as it is.
    """

    def __init__(
        self, more: Iterable[str] = (), reserved: Iterable[str] = (), special: Iterable[str] = ()
    ) -> None:
        self._more = frozenset(name.lower() for name in more)
        self._reserved = frozenset(reserved)
        self._watched = self._reserved.union(special)
        self._holders: tuple[str, ...] = ()  # fields that have held dictionaries
        self.known_safe: set[Any] = set()

    def apply(self, fields: Event) -> Event:
        """Return the fields with secrets redacted and reserved names renamed to `name_`."""
        changed = _Redactor(self.passes).mapping(fields, _DEPTH)
        if self._reserved.isdisjoint(changed):
            return changed
        return self._renamed(changed)

    def hides(self, fields: Event) -> bool:
        """Say whether a secret is inside a container among the values; looks, copies nothing."""
        for value in fields.values():
            if type(value) in _SCALARS or self._is_flat(value):
                continue
            if self._is_dirty(value, _DEPTH):
                return True
        return False

    def may_hide(self, braces: bytes, fields: Event) -> bool:
        """Say the same of fields whose JSON has these bytes after its first brace.

        Where dictionaries with known_safe names account for every brace, no other can be there, be
        it deeper or of some other class. Which fields have held dictionaries is remembered.
        """
        objects = braces.count(b"{") if _BRACE in braces.partition(b"{")[2] else 1
        is_known_safe = self.known_safe.issuperset
        for name in self._holders:
            value = fields.get(name)
            if type(value) is dict and is_known_safe(value):
                objects -= 1
        if objects == 0:
            return False
        if len(self._holders) < _MAX_HOLDERS:
            found = {name for name, value in fields.items() if type(value) is dict}
            self._holders = (*self._holders, *found.difference(self._holders))[:_MAX_HOLDERS]
        return self.hides(fields)

    def _is_flat(self, value: Any) -> bool:
        """Say whether a value is one of the usual containers, with nothing inside to look at."""
        if type(value) is dict:
            inner = value.values()
            return self.known_safe.issuperset(value) and _SCALARS.issuperset(map(type, inner))
        return type(value) in _USUAL and _SCALARS.issuperset(map(type, value))

    def object_in(self, line: str) -> tuple[Event, bool] | None:
        """Return the object that a text of JSON is, secrets redacted, and whether that changed it.

        None is returned for all else, and for JSON that not every reader takes: NaN is none.
        """
        changed = False

        def redacted(pairs: list[tuple[str, Any]]) -> Event:
            nonlocal changed
            found = {key: value if self.passes(key) else STARS for key, value in pairs}
            # Of a name that is there twice readers see one; both are in the text.
            if len(found) < len(pairs) or any(found[key] != value for key, value in pairs):
                changed = True
            return found

        try:
            found = json.loads(line, object_pairs_hook=redacted, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
        return (found, changed) if isinstance(found, dict) else None

    def is_secret(self, name: str) -> bool:
        """Say whether a field of this name is to be redacted."""
        words = [word.lower() for word in _WORDS.findall(name)]
        singular = [word.removesuffix("s") for word in words]
        if name.lower() in self._more or "authorization" in singular:
            return True
        if not words:
            return False
        return (
            any(word.endswith(_ENDINGS) for word in singular)
            or words[-1].endswith(_LAST)
            or (singular[-1].endswith(_LAST) and _is_of_secret_tokens(words))
            or (words[-1] not in _ABOUT and _names_a_key(singular))
        )

    def passes(self, key: Any) -> bool:
        """Say whether the value of this key may be shown; remembers what is known_safe."""
        if key in self.known_safe:
            return True
        name = key.value if isinstance(key, Enum) else key  # as the encoder writes it
        if self.is_secret(name if isinstance(name, str) else text(name)):
            return False
        if len(self.known_safe) < _MAX_NAMES and key not in self._watched:
            self.known_safe.add(key)
        return True

    def _is_dirty(self, value: Any, depth: int) -> bool:
        """Say whether a secret is in a value, or may be: it is too deep to be looked into."""
        value = by_names(value) or value
        inner = _inner(value)
        if inner is None:
            return False
        if isinstance(value, _MAPPINGS) and not all(map(self.passes, list(value))):
            return True
        if _SCALARS.issuperset(map(type, inner)):
            return False
        return depth <= 0 or any(
            self._is_dirty(each, depth - 1) for each in inner if type(each) not in _SCALARS
        )

    def _renamed(self, fields: Event) -> Event:
        event: Event = {}
        for key, value in fields.items():
            while key in self._reserved or key in event:
                key = f"{key}_"  # noqa: PLW2901 - until it is free
            event[key] = value
        return event


class _Redactor:
    """One pass that copies what has to be changed; counts what it has seen, so that it ends."""

    def __init__(self, passes: Callable[[Any], bool]) -> None:
        self._passes = passes
        self._left = _MAX_CONTAINERS

    def mapping(self, fields: Mapping[Any, Any], depth: int) -> Event:
        """Return a copy of a mapping with secrets redacted."""
        pairs = dict.items(fields) if isinstance(fields, dict) else fields.items()
        return {  # a copy at one go: another thread may be changing it
            key: self._value(value, depth) if self._passes(key) else STARS
            for key, value in list(pairs)
        }

    def _value(self, value: Any, depth: int) -> Any:
        if type(value) in _SCALARS:
            return value
        self._left -= 1
        if self._left < 0:
            return _TOO_DEEP
        try:
            return self._copied(value, depth)
        except Exception as error:  # noqa: BLE001 - users' classes may raise anything anywhere
            return f"<{type(value).__name__} that raised {type(error).__name__}>"

    def _copied(self, value: Any, depth: int) -> Any:
        named = by_names(value)
        if named is not None:  # its values alone would not say which of them is secret
            changed = self.mapping(named, depth - 1) if depth > 0 else _TOO_DEEP
            return value if changed == named else changed
        inner = _inner(value)
        if inner is None:
            return value
        mapping = isinstance(value, _MAPPINGS)
        if not mapping and _SCALARS.issuperset(map(type, inner)):
            return value
        if depth <= 0:
            return _TOO_DEEP
        if mapping:
            return self.mapping(value, depth - 1)
        copy = [self._value(each, depth - 1) for each in inner]
        return copy[0] if isinstance(value, Enum) else copy


def _inner(value: Any) -> Collection[Any] | None:
    """Return what is inside a value that becomes an object or a list, None for any other."""
    if isinstance(value, dict):
        return dict.values(value)  # as encoders see it, whatever a subclass makes of values()
    if isinstance(value, _LISTS):
        return value
    if isinstance(value, Enum):
        return (value.value,)
    return tuple(value.values()) if isinstance(value, Mapping) else None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_of_secret_tokens(words: list[str]) -> bool:
    """Say whether the plural at the end of these words is one of secrets, and none of a count."""
    last = words[-1].removesuffix("s")
    if not last.endswith("token"):
        return True
    before = {*words[:-1], last.removesuffix("token")}
    return not _TOKENS.isdisjoint(before)


def _names_a_key(words: list[str]) -> bool:
    """Say whether `key` is among these words, after one that makes it a secret."""
    if "key" not in words:
        return False
    place = words.index("key")
    return not _KEYS.isdisjoint(words[:place])
