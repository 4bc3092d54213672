"""Events as readable lines for a person at a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from podready.runtime.logs.formats.parts import Details, ServedRequest
from podready.runtime.logs.formats.timestamp import rfc3339
from podready.runtime.logs.values import text
from podready.runtime.printable import printable
from podready.runtime.severity import severity_of

if TYPE_CHECKING:
    from podready.runtime.logs.encoder import Dumps
    from podready.runtime.logs.formats.parts import Format, More
    from podready.runtime.logs.values import Event

_COLOURS: Final = {
    "DEBUG": "\x1b[2m",
    "NOTICE": "\x1b[36m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[1;31m",
    "ALERT": "\x1b[1;31m",
    "EMERGENCY": "\x1b[1;31m",
}
_RESET: Final = "\x1b[0m"

RESERVED: Final = frozenset({"severity", "message", "time", "logger", "stack_trace", "httpRequest"})
"""Names that a field of the app may not have: those of `gcp`, which this format shows."""


def formatter(fd: int, *, colours: bool = True) -> Format:
    """Return the format for `fd`: coloured only on a terminal, and never against NO_COLOR."""
    plain_wanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return console_format(coloured=colours and os.isatty(fd) and not plain_wanted)


def console_format(*, coloured: bool = False) -> Format:
    """Return the format `time severity logger message key=value`, with the stack trace behind."""

    def format_(
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More,
        _dumps: Dumps,
    ) -> bytes:
        severity = severity_of(level)
        label = f"{severity:<8}"
        if coloured and severity in _COLOURS:
            label = f"{_COLOURS[severity]}{label}{_RESET}"
        head = (
            f"{rfc3339(seconds)[11:23]} {label}{f' {logger}' if logger else ''}  {_lines(message)}"
        )
        pairs = (f" {_visible(key)}={_value(value)}" for key, value in fields.items())
        line = f"{head}{''.join(pairs)}{_latency(more)}\n"
        if isinstance(more, Details) and (stack := more.stack_trace()):
            line += f"{_lines(stack)}\n"
        return line.encode("utf-8", "backslashreplace")

    return format_


def _latency(more: More) -> str:
    seconds = more.seconds if isinstance(more, ServedRequest) else None
    return "" if seconds is None else f" {seconds:.6f}s"


def _value(value: object) -> str:
    shown = _visible(value)
    return f'"{shown}"' if " " in shown or not shown else shown


def _lines(value: object) -> str:
    """Return a text of several lines with each of them made visible."""
    return "\n".join(_visible(line.expandtabs()) for line in text(value).split("\n"))


def _visible(value: object) -> str:
    return printable(text(value))
