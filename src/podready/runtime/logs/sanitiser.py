"""Replaces what no JSON encoder takes; used only after a quicker encoder failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from podready.runtime.logs.values import plain, text

DEPTH: Final = 12
"""Containers in containers; deeper ones, circular ones among them, become `...`."""

ITEMS: Final = 2000
"""Values in one event altogether."""

_MAX_INT: Final = 2**63


def sanitised(value: object) -> object:
    """Return a copy of a value that every JSON encoder takes."""
    return _Sanitiser().value(value, DEPTH + 1)


class _Sanitiser:
    """One pass over an event; counts what it has seen, so that it ends."""

    def __init__(self) -> None:
        self._left = ITEMS

    def value(self, value: object, depth: int) -> object:
        """Return the JSON form of any value; a value that raises is named instead."""
        self._left -= 1
        try:
            return self._convert(value, depth)
        except Exception as error:  # noqa: BLE001 - users' classes may raise anything anywhere
            return f"<{type(value).__name__} that raised {type(error).__name__}>"

    def key(self, key: object) -> str:
        """Return a text for a dictionary's key."""
        return _text(key if isinstance(key, str) else text(key))

    def _convert(self, value: object, depth: int) -> object:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, int):
            return _integer(value)
        if isinstance(value, float):
            return float(value) if value - value == 0 else None  # NaN and infinities
        if depth <= 0 or self._left <= 0:
            return "..."
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._container(value, depth - 1)
        return self.value(plain(value), depth - 1)

    def _container(self, value: Mapping[Any, Any] | Iterable[Any], depth: int) -> object:
        if isinstance(value, Mapping):
            pairs = list(value.items())[: max(self._left, 0)]
            return {self.key(key): self.value(item, depth) for key, item in pairs}
        return [self.value(item, depth) for item in list(value)[: max(self._left, 0)]]


def _text(value: str) -> str:
    """Return a plain str without lone surrogates, which UTF-8 cannot carry."""
    return str.__str__(value).encode("utf-8", "backslashreplace").decode()


def _integer(value: int) -> object:
    number = int(value)
    if -_MAX_INT <= number < _MAX_INT:
        return number
    return str(number) if number.bit_length() < 4096 else f"<int of {number.bit_length()} bits>"
