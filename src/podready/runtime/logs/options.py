"""The settings of the log, and how the texts of some are read; the table of all is in `config`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from podready.runtime.logs.line_limit import DEFAULT_BYTES
from podready.runtime.logs.sampling import Rule
from podready.runtime.options.sizes import parse_size
from podready.runtime.severity import LEVELS, level_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS: Final = ("gcp", "otel", "ecs", "datadog", "console", "plain")
READABLE: Final = frozenset({"console", "plain"})
SMALLEST_LINE: Final = 1024
_LEVEL_WORDS: Final = ", ".join(LEVELS).lower()


class LogOptions(NamedTuple):
    """How lines look and which of them are written."""

    format: str = "gcp"  # one of FORMATS
    level: int = 20
    levels: Mapping[str, int] = {}  # of single loggers
    block: bool = False  # wait for a reader that is behind
    max_line: int = DEFAULT_BYTES
    sample: Rule | None = None
    redact: tuple[str, ...] = ()
    takeover: bool = True  # re-form what others write to stdout and stderr
    prints: bool = True  # and what the app prints


def chosen_format(name: str) -> str:
    """Return the format by name; `auto` is console at a terminal, else gcp."""
    word = name.strip().lower()
    if word == "auto":
        return "console" if os.isatty(1) else "gcp"
    if word not in FORMATS:
        raise ValueError(f"{name!r} is not a log format: use auto, {', '.join(FORMATS)}")
    return word


def parse_level(text: str) -> str:
    """Return the name or number of a level, in lower case."""
    try:
        level_of(text)
    except ValueError:
        raise ValueError(f"a level: one of {_LEVEL_WORDS}") from None
    return text.strip().lower()


def parse_levels(text: str) -> dict[str, int]:
    """Return the levels in `shop=DEBUG,sqlalchemy.engine=WARNING`; `root` is the root."""
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, level = pair.partition("=")
        if not equals or not name.strip():
            raise ValueError("NAME=LEVEL, separated by commas")
        try:
            found[_logger_name(name.strip())] = level_of(level)
        except ValueError:
            raise ValueError(
                f"NAME=LEVEL: {level.strip()!r} is none of the levels {_LEVEL_WORDS}"
            ) from None
    return found


def _logger_name(word: str) -> str:
    return "" if word.lower() == "root" else word


def parse_max_line(text: str) -> int:
    """Return the longest line in bytes, such as 16000 or 64Ki."""
    size = parse_size(text)
    if size < SMALLEST_LINE:
        raise ValueError(f"a size of {SMALLEST_LINE} bytes or more")
    return size


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))
