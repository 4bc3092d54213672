"""Log levels as a type of settings: `info`, `WARN`, `critical`."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class LogLevel(IntEnum):
    """A severity of Cloud Logging with Python's number, fit for `logging.setLevel`.

    As a field's type it reads names in any case, the usual aliases (WARN, FATAL, TRACE), and the
    numbers below.
    """

    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARNING = 30
    ERROR = 40
    CRITICAL = 50
    ALERT = 60
    EMERGENCY = 70


_ALIASES: Final = {"WARN": "WARNING", "FATAL": "CRITICAL", "TRACE": "DEBUG", "SUCCESS": "NOTICE"}
_BY_TEXT: Final = {
    **{level.name: level for level in LogLevel},
    **{str(int(level)): level for level in LogLevel},
    **{alias: LogLevel[name] for alias, name in _ALIASES.items()},
}


def parse_level(text: str) -> LogLevel:
    """Return the level; ValueError for any other text."""
    level = _BY_TEXT.get(text.strip().upper())
    if level is None:
        names = ", ".join(level.name.lower() for level in LogLevel)
        raise ValueError(f"is not a log level: use {names}")
    return level
