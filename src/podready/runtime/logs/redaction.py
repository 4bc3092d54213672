"""Secrets stay out of the log: fields are starred by their names, URLs lose their passwords.

A name is looked at once: what turned out harmless is remembered, so the common line pays for one
set comparison. Values are not searched for secrets (a regular expression over each line would cost
more than the line); what matters is kept from being logged by its name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.encoder import Event, text

if TYPE_CHECKING:
    from collections.abc import Iterable

STARS: Final = "[redacted]"

_ANYWHERE: Final = frozenset(
    {"password", "passwd", "passphrase", "pwd", "secret", "authorization", "credential"}
    | {"credentials", "cookie", "apikey"}
)
_LAST: Final = frozenset({"token", "dsn", "jwt"})
"""Only as the last word: `access_token` is a secret, `token_count` is not."""

_KEYS: Final = frozenset({"api", "private", "access", "secret", "encryption", "signing"})
"""What makes a `key` a secret one."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_USERINFO: Final = re.compile(rb'(://[^/\s:@"\\]*:)[^@/\s"\\]+@')
_MOST_NAMES: Final = 4096
_CONTAINERS: Final = frozenset({dict, list, tuple})
_DEPTH: Final = 6


class Redaction:
    """Decides by name; `more` are further secret names, `ours` those that a format writes itself.

    `harmless` holds the names that have been judged to be neither: a line with no others, and
    without containers in it, can go out as it is.
    """

    def __init__(self, more: Iterable[str] = (), ours: Iterable[str] = ()) -> None:
        self._more = frozenset(name.lower() for name in more)
        self._ours = frozenset(ours)
        self.harmless: set[Any] = set()

    def apply(self, fields: Event) -> Event:
        """Return the fields with secrets starred and names of ours renamed to `name_`."""
        changed = self._redacted(fields, _DEPTH)
        if self._ours.isdisjoint(changed):
            return changed
        return self._renamed(changed)

    def hides(self, fields: Event) -> bool:
        """Say whether a secret is inside a container among the values; looks, copies nothing."""
        for value in fields.values():
            if type(value) is dict:
                clean = self.harmless.issuperset(value)
                clean = clean and _CONTAINERS.isdisjoint(map(type, value.values()))
            elif type(value) in _CONTAINERS:
                clean = _CONTAINERS.isdisjoint(map(type, value))
            else:
                continue
            if not clean and self._is_dirty(value, _DEPTH):
                return True
        return False

    def is_secret(self, name: str) -> bool:
        """Say whether a field of this name is to be starred."""
        words = [word.lower() for word in _WORDS.findall(name)]
        if name.lower() in self._more or not _ANYWHERE.isdisjoint(words):
            return True
        if not words or words[-1] not in _LAST | {"key"}:
            return False
        return words[-1] != "key" or not _KEYS.isdisjoint(words[:-1])

    def _is_dirty(self, container: Any, depth: int) -> bool:
        values = container
        if type(container) is dict:
            if not self.harmless.issuperset(container) and not all(map(self._passes, container)):
                return True
            values = container.values()
        if depth <= 0 or _CONTAINERS.isdisjoint(map(type, values)):
            return False
        return any(
            self._is_dirty(value, depth - 1) for value in values if type(value) in _CONTAINERS
        )

    def _redacted(self, fields: dict[Any, Any], depth: int) -> Event:
        return {
            key: self._value(value, depth) if self._passes(key) else STARS
            for key, value in fields.items()
        }

    def _value(self, value: Any, depth: int) -> Any:
        if depth <= 0 or type(value) not in _CONTAINERS:
            return value
        if type(value) is dict:
            return self._redacted(value, depth - 1)
        if _CONTAINERS.isdisjoint(map(type, value)):
            return value
        return [self._value(item, depth - 1) for item in value]

    def _passes(self, key: Any) -> bool:
        if key in self.harmless:
            return True
        if self.is_secret(key if isinstance(key, str) else text(key)):
            return False
        if len(self.harmless) < _MOST_NAMES and key not in self._ours:
            self.harmless.add(key)
        return True

    def _renamed(self, fields: Event) -> Event:
        event: Event = {}
        for key, value in fields.items():
            while key in self._ours or key in event:
                key = f"{key}_"  # noqa: PLW2901 - until it is free
            event[key] = value
        return event


def without_passwords(line: bytes) -> bytes:
    """Return an encoded line without the passwords of URLs: `postgres://app:[redacted]@db/`."""
    return _USERINFO.sub(rb"\1" + STARS.encode() + b"@", line)
