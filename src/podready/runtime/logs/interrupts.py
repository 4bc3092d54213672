"""What a signal handler raises while a line is made belongs to the app, not to the line.

A log call never raises what a value raises when it is looked at, `SystemExit` and
`KeyboardInterrupt` of its `__str__` among them. But Ctrl-C, or a handler of SIGTERM that calls
`sys.exit`, may strike in the very same moment, and whoever swallows that keeps the process from
ending. The traceback tells one from the other: a handler is given the frame that it interrupted,
and Python's own handler of SIGINT raises without any `raise` being written there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


def let_pass(error: BaseException) -> None:
    """Raise what a signal handler has raised, if that is the error or what led to it.

    Encoders wrap what their callbacks raise, so causes and contexts are looked at too.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if _is_of_a_signal(current):
            raise current
        current = current.__cause__ or current.__context__


def _is_of_a_signal(error: BaseException) -> bool:
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        if _is_handler(trace.tb_next, of=trace):
            return True
        trace = trace.tb_next
    return isinstance(error, KeyboardInterrupt) and not _raises(trace)


def _is_handler(trace: TracebackType, *, of: TracebackType) -> bool:
    """Say whether this frame was given the one that called it, as only signal handlers are."""
    given = trace.tb_frame.f_locals.values()
    return any(
        each is of.tb_frame or (type(each) is tuple and any(one is of.tb_frame for one in each))
        for each in given
    )


def _raises(trace: TracebackType) -> bool:
    """Say whether a frame failed at a `raise`."""
    from opcode import opmap

    code = trace.tb_frame.f_code.co_code
    return code[trace.tb_lasti] in {opmap["RAISE_VARARGS"], opmap["RERAISE"]}
