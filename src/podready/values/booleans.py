"""Booleans: `true`, `1`, `yes`, `on` and their opposites, in any case."""

from __future__ import annotations

from typing import Final

_VALUES: Final = {"true": True, "1": True, "yes": True, "on": True}
_VALUES.update({"false": False, "0": False, "no": False, "off": False})


def parse_boolean(text: str) -> bool:
    """Return the boolean that `text` stands for; ValueError says what was expected."""
    value = _VALUES.get(text.strip().lower())
    if value is None:
        raise ValueError("a boolean: use true or false")
    return value
