"""What a signal handler raises while a line is made belongs to the app, not to the line.

A log call never raises what a value raises when it is looked at, `SystemExit` and
`KeyboardInterrupt` of its `__str__` among them. But Ctrl-C, or a handler of SIGTERM that calls
`sys.exit`, may strike in the very same moment, and whoever swallows that keeps the process from
ending. The traceback tells one from the other: a handler is given the frame that it interrupted,
and Python's own handler of SIGINT raises without any `raise` being written there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

_PACKAGE: Final = __name__.rpartition(".")[0]


def let_pass(error: BaseException) -> None:
    """Raise what a signal handler has raised, if that is the error or what led to it.

    Encoders wrap what their callbacks raise, so the cause is looked at too.
    """
    for each in (error, error.__cause__):
        if each is not None and _is_of_a_signal(each):
            raise each


def _is_of_a_signal(error: BaseException) -> bool:
    """Say so of an error that came up in here; what the app is handling while it logs is its own.

    The first frame of a traceback is the one that caught it, or that an encoder called.
    """
    trace = error.__traceback__
    if trace is None or not _is_ours(trace):
        return False
    while trace.tb_next is not None:
        if _is_handler(trace.tb_next, of=trace):
            return True
        trace = trace.tb_next
    return isinstance(error, KeyboardInterrupt) and not _raises(trace)


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__", "")).startswith(_PACKAGE)


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
