"""The settings of the log: its rows in `podready run`'s table, and how they are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from podready.errors import SettingsError
from podready.runtime.logs.line_limit import DEFAULT_BYTES
from podready.runtime.logs.sampling import SamplingRule, parse_rule
from podready.runtime.options.kinds import SWITCH, Kind, choice
from podready.runtime.options.table import options_of, read_options, report, setting
from podready.runtime.severity import LEVELS, level_of
from podready.values.sizes import parse_size

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
    sample: SamplingRule | None = None
    redact: tuple[str, ...] = ()
    replace_handlers: bool = True  # of libraries, to stdout and stderr
    capture_stdout: bool = True  # make lines of what the app prints


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


_LEVEL: Final = Kind("LEVEL", parse_level)
_LEVELS: Final = Kind("NAME=LEVEL,...", parse_levels)
_LINE_SIZE: Final = Kind("SIZE", parse_max_line)
_SAMPLING: Final = Kind("FIRST/THEREAFTER", parse_rule)
_NAMES: Final = Kind("NAME,...", parse_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What flags and variables can set of the log; `podready run` adds it to its own settings."""

    log_level: str = setting("info", _LEVEL, "least severe line that is logged")
    log_format: str = setting(
        "auto",
        choice("auto", *FORMATS),
        "JSON lines, or readable ones (auto: at a terminal)",
    )
    log_levels: Mapping[str, int] | None = setting(
        None, _LEVELS, "levels of single loggers, such as shop=debug,httpx=warning", "none"
    )
    log_on_stall: str = setting(
        "drop", choice("drop", "block"), "what to do with lines while stdout is not read"
    )
    log_max_line: int = setting(DEFAULT_BYTES, _LINE_SIZE, "longest line in bytes", "16000")
    log_sample: SamplingRule | None = setting(  # noqa: RUF009 - a field like the others
        None, _SAMPLING, "of equal lines in a second the first ones, then every nth", "off"
    )
    log_redact: tuple[str, ...] = setting(
        (), _NAMES, "further names of fields whose values are secret", "none"
    )
    log_replace_handlers: bool = setting(
        True,
        SWITCH,
        "replace libraries' handlers to stdout and stderr, so that their lines have one form",
        formerly="log_takeover",
    )
    log_capture_stdout: bool = setting(
        True, SWITCH, "make log lines of what the app prints", formerly="log_prints"
    )

    def logs(self) -> LogOptions:
        """Return the settings of the log as the log wants them."""
        return LogOptions(
            format=chosen_format(self.log_format),
            level=level_of(self.log_level),
            levels=self.log_levels or {},
            block=self.log_on_stall == "block",
            max_line=self.log_max_line,
            sample=self.log_sample,
            redact=self.log_redact,
            replace_handlers=self.log_replace_handlers,
            capture_stdout=self.log_capture_stdout,
        )


LOG_OPTIONS: Final = options_of(LogSettings, group="logs")


def log_options(environ: Mapping[str, str], format_: str, level: str) -> LogOptions:
    """Return the log's settings where `podready run` does not read them; variables win.

    Raises SettingsError with every bad value at once.
    """
    values: dict[str, Any] = {"log_format": format_, "log_level": level}
    problems = read_options(LOG_OPTIONS, {}, environ, values)
    if problems:
        raise SettingsError(report("podready's logs", problems))
    return LogSettings(**values).logs()
