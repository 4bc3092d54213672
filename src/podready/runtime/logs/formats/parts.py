"""What the formats share: the parts of a line.

A format is a function from a line's parts to its bytes. The parts come as plain arguments, because
most lines have only five of them and an object for each line would cost more than all the rest of
this step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from podready.runtime.logs.values import Event

if TYPE_CHECKING:
    from podready.runtime.logs.encoder import Dumps


class SourceLocation(NamedTuple):
    """The place in the code that logged."""

    file: str
    line: int
    function: str


class ServedRequest(NamedTuple):
    """One served request, as the app's middleware saw it."""

    method: str
    path: str  # without the query string, which may carry secrets
    status: int
    size: int | None = 0  # bytes of the answer's body; None: not known
    seconds: float | None = 0.0  # None: not known
    client: str = ""  # address of the peer
    user_agent: str = ""
    protocol: str = ""  # "HTTP/1.1"


class Details(NamedTuple):
    """What only some lines have: where in the code it was logged, and what failed."""

    location: SourceLocation | None = None
    error: BaseException | None = None
    stack: str = ""  # a stack that is formatted already

    def stack_trace(self) -> str:
        """Return the stack trace as one text, empty when there is none.

        Of a line with both the exception comes first, as the standard library has it.
        """
        if self.error is None:
            return self.stack
        from podready.runtime.logs.stack import shorten, stack_trace  # PID 1 seldom needs it

        trace = stack_trace(self.error)
        return shorten(f"{trace}\n{self.stack}") if self.stack else trace


More = Details | ServedRequest | None
"""What a line has besides its fields; the line of a served request has no other details."""


class MakeLine(Protocol):
    """Makes a finished line of the parts of an event as it was logged; never raises."""

    def __call__(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More = None,
        /,
    ) -> bytes:
        """Return the line with its newline; `seconds` is a Unix time."""


Format = Callable[[int, str, str, float, Event, More, "Dumps"], bytes]
"""level, message, logger, Unix time, fields, details, encoder -> the line; may raise."""
