"""Events as readable lines for a person at a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.values import Event, text
from podready.runtime.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

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
_SHOWN: Final = frozenset(
    {"severity", "message", "time", "logger", "stack_trace", "httpRequest"}
    | {"logging.googleapis.com/sourceLocation"}
)


def console_format(fd: int, *, colours: bool = True) -> Callable[[Event], bytes]:
    """Return the renderer for `fd`: coloured only on a terminal, and never against NO_COLOR."""
    plain_wanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    coloured = colours and os.isatty(fd) and not plain_wanted
    return lambda event: render(event, coloured=coloured)


def render(event: Event, *, coloured: bool = False) -> bytes:
    """Return `time severity logger message key=value`, the stack trace on lines of its own."""
    severity = event.get("severity", "DEFAULT")
    stamp = str(event.get("time", ""))[11:23]
    pairs = "".join(
        f" {_visible(key)}={_value(value)}" for key, value in event.items() if key not in _SHOWN
    )
    word = f"{severity:<8}"
    if coloured and severity in _COLOURS:
        word = f"{_COLOURS[severity]}{word}{_RESET}"
    logger = f" {event['logger']}" if event.get("logger") else ""
    line = f"{stamp} {word}{logger}  {_lines(event.get('message', ''))}{pairs}{_http(event)}"
    trace = event.get("stack_trace")
    full = f"{line}\n{_lines(trace)}\n" if trace else f"{line}\n"
    return full.encode("utf-8", "backslashreplace")


def _http(event: Event) -> str:
    request: dict[str, Any] = event.get("httpRequest") or {}
    return f" {request['latency']}" if request.get("latency") else ""


def _value(value: object) -> str:
    shown = _visible(value)
    return f'"{shown}"' if " " in shown or not shown else shown


def _lines(value: object) -> str:
    """Return a text of several lines with each of them made visible."""
    return "\n".join(_visible(line.expandtabs()) for line in text(value).split("\n"))


def _visible(value: object) -> str:
    return printable(text(value))
