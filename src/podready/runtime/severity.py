"""How severe a line is, by Cloud Logging's names (google.logging.type.LogSeverity)."""

from __future__ import annotations

from typing import Final

LEVELS: Final = {
    "DEBUG": 10,
    "INFO": 20,
    "NOTICE": 25,
    "WARNING": 30,
    "ERROR": 40,
    "CRITICAL": 50,
    "ALERT": 60,
    "EMERGENCY": 70,
}
"""Python's number for each severity; a level in between takes the next lower name."""

_WORDS: Final = tuple(
    next((word for word, level in reversed(LEVELS.items()) if number >= level), "DEBUG")
    for number in range(71)
)
_ALIASES: Final = {"WARN": "WARNING", "FATAL": "CRITICAL", "TRACE": "DEBUG", "SUCCESS": "NOTICE"}


def severity_of(level: int) -> str:
    """Return the severity for a Python log level (30 -> WARNING)."""
    return _WORDS[min(max(level, 0), 70)]


def level_of(name: str | int) -> int:
    """Return the number of a level, from its name in any case or its number.

    Raises ValueError for a name that no logging library uses.
    """
    if isinstance(name, int):
        return name
    word = name.strip().upper()
    if word.isdigit():
        return int(word)
    try:
        return LEVELS[_ALIASES.get(word, word)]
    except KeyError:
        raise ValueError(f"{name!r} is not a log level: use {', '.join(LEVELS)}") from None
