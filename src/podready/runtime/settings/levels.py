"""Log levels as a type of settings: `info`, `WARN`, `critical`."""

from __future__ import annotations

from enum import IntEnum

from podready.runtime.log_severity import level_of


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


def parse_level(text: str) -> LogLevel:
    """Return the level; ValueError for what is none."""
    try:
        return LogLevel(level_of(text))
    except ValueError:
        names = ", ".join(level.name.lower() for level in LogLevel)
        raise ValueError(f"is not a log level: use {names}") from None
