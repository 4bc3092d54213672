"""The settings of the log, read from variables where `podready run` has not read them already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from podready.contract import ENV_PREFIX
from podready.runtime.log_severity import level_of
from podready.runtime.logs.line_limit import DEFAULT_BYTES
from podready.runtime.logs.sampling import Rule, parse_rule
from podready.runtime.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS: Final = ("gcp", "otel", "ecs", "datadog", "console", "plain")
READABLE: Final = frozenset({"console", "plain"})
SMALLEST_LINE: Final = 1024


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


def options_from(
    environ: Mapping[str, str], format_: str = "auto", level: str | int = "INFO"
) -> LogOptions:
    """Return the options that variables give; they win over the two arguments.

    Raises ValueError whose text names what is allowed.
    """

    def read(name: str) -> str:
        return environ.get(f"{ENV_PREFIX}LOG_{name}", "")

    return LogOptions(
        format=chosen_format(read("FORMAT") or format_),
        level=level_of(read("LEVEL") or level),
        levels=parse_levels(read("LEVELS")),
        block=parse_on_stall(read("ON_STALL") or "drop") == "block",
        max_line=parse_max_line(read("MAX_LINE") or str(DEFAULT_BYTES)),
        sample=parse_rule(read("SAMPLE")),
        redact=parse_names(read("REDACT")),
        takeover=parse_switch(read("TAKEOVER") or "true"),
        prints=parse_switch(read("PRINTS") or "true"),
    )


def chosen_format(name: str) -> str:
    """Return the format by name; `auto` is console at a terminal, else gcp."""
    word = name.strip().lower()
    if word == "auto":
        return "console" if os.isatty(1) else "gcp"
    if word not in FORMATS:
        raise ValueError(f"{name!r} is not a log format: use auto, {', '.join(FORMATS)}")
    return word


def parse_levels(text: str) -> dict[str, int]:
    """Return the levels in `shop=DEBUG,sqlalchemy.engine=WARNING`."""
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, level = pair.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{pair!r} is not LOGGER=LEVEL")
        found[name.strip()] = level_of(level)
    return found


def parse_on_stall(text: str) -> str:
    """Return `drop` or `block`."""
    word = text.strip().lower()
    if word not in {"drop", "block"}:
        raise ValueError("one of drop, block")
    return word


def parse_max_line(text: str) -> int:
    """Return the longest line in bytes, such as 16000 or 64Ki."""
    size = parse_size(text)
    if size < SMALLEST_LINE:
        raise ValueError(f"a size of {SMALLEST_LINE} bytes or more")
    return size


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def parse_switch(text: str) -> bool:
    """Return whether a switch is on."""
    word = text.strip().lower()
    if word not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise ValueError(f"{text!r} is not true or false")
    return word in {"1", "true", "yes", "on"}
