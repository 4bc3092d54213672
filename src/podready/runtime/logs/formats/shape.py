"""What the formats share: the parts of a line, and the names that are theirs.

A format is a function from a line's parts to the object that becomes JSON. The parts come as plain
arguments, because most lines have only five of them and an object for each line would cost more
than all the rest of this step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from podready.runtime.logs.values import Event, text


class Source(NamedTuple):
    """The place in the code that logged."""

    file: str
    line: int
    function: str


class Request(NamedTuple):
    """One served request, as the app's wrapper saw it."""

    method: str
    path: str  # without the query string, which may carry secrets
    status: int
    size: int | None = 0  # bytes of the answer's body; None: not known
    seconds: float | None = 0.0  # None: not known
    client: str = ""  # address of the peer
    user_agent: str = ""
    protocol: str = ""  # "HTTP/1.1"


class Details(NamedTuple):
    """What only some lines have."""

    source: Source | None = None
    error: BaseException | None = None
    stack: str = ""  # a stack that somebody else has formatted
    request: Request | None = None

    def stack_trace(self) -> str:
        """Return the stack trace as one text, empty when there is none.

        Of a line with both the exception comes first, as the standard library has it.
        """
        if self.error is None:
            return self.stack
        from podready.runtime.logs.stack import shorten, stack_trace

        trace = stack_trace(self.error)
        return shorten(f"{trace}\n{self.stack}") if self.stack else trace


Shape = Callable[[int, str, str, float, Event, "Details | None"], Event]
"""level, message, logger, Unix time, fields, details -> the line's object."""

Line = Callable[[int, str, str, float, Event], bytes]
"""level, message, logger, Unix time, fields -> the finished line of an event without details."""


def error_type(error: BaseException) -> str:
    """Return an exception's class with its module, as OpenTelemetry and ECS want it."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def error_message(error: BaseException) -> str:
    """Return what an exception says; never raises."""
    return text(error)


def dropping(fields: Event, *names: str) -> Event:
    """Return the fields without those that a format writes under names of its own."""
    return {key: value for key, value in fields.items() if key not in names}
