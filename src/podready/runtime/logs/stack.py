"""An exception as one text: causes, groups and notes, never the values of local variables.

The text is the one of Python's own traceback, without the caret lines of Python 3.11 and later,
which parse the source again: `traceback.format_exception` takes 240 us for seven frames, this 30.
"""

from __future__ import annotations

import linecache
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

MAX_BYTES: Final = 12_000
"""Longest stack trace; a line over 16 KiB is cut by containerd and Docker, JSON and all."""

_Link = tuple[BaseException | None, str]
"""An exception, and the text between it and the newer one that it led to."""

_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n"
_REPEATS: Final = 3
"""Equal frames shown before they are only counted, as Python does for a recursion."""

_MAX_ERRORS: Final = 50
"""Exceptions shown of one chain or group with all that is in it."""

_MAX_LINKS: Final = 10_000
"""Causes that are followed; a class may have a `__cause__` that is a new one each time."""


def stack_trace(error: BaseException) -> str:
    """Return the traceback text of an exception and of its causes, shortened in the middle."""
    try:
        lines: list[str] = []
        _chain(error, lines, set())
        return shorten("\n".join(lines))
    except Exception as failure:  # noqa: BLE001 - __str__ and __cause__ belong to users' classes
        return f"{type(error).__name__} (no stack trace: {type(failure).__name__} in its own code)"


def _chain(error: BaseException, lines: list[str], seen: set[int]) -> None:
    """Append an exception after those that led to it, oldest first."""
    chain = _shortest(_causes(error, seen), _MAX_ERRORS - len(seen))
    seen.update(id(each) for each, _ in chain if each is not None)
    for each, after in reversed(chain):
        if each is not None:
            _one(each, lines, seen)
        if after:
            lines.append(after)


def _causes(error: BaseException, seen: set[int]) -> list[_Link]:
    """Return an exception and those that led to it, newest first."""
    chain: list[_Link] = []
    known = set(seen)
    current: BaseException | None = error
    joint = ""
    while current is not None and id(current) not in known and len(chain) < _MAX_LINKS:
        known.add(id(current))
        chain.append((current, joint))
        cause = current.__cause__
        joint = _CAUSE if cause is not None else _CONTEXT
        hidden = cause is None and current.__suppress_context__
        current = None if hidden else cause or current.__context__
    return chain


def _shortest(chain: list[_Link], most: int) -> list[_Link]:
    """Cut the middle out of a long chain: the root of all and what came of it are at its ends."""
    surplus = len(chain) - max(most, 2)
    if surplus <= 0:
        return chain
    newest = max(most, 2) // 2
    gap = (None, f"\n... {surplus} exceptions left out ...\n")
    return [*chain[:newest], gap, *chain[newest + surplus :]]


def _one(error: BaseException, lines: list[str], seen: set[int]) -> None:
    if error.__traceback__ is not None:
        lines.append("Traceback (most recent call last):")
        _frames(error.__traceback__, lines)
    only = "".join(traceback.format_exception_only(error))
    lines.append(only.rstrip("\n"))
    if isinstance(error, BaseExceptionGroup):
        _group(error, lines, seen)


def _group(error: BaseExceptionGroup[BaseException], lines: list[str], seen: set[int]) -> None:
    """Append the exceptions of a group, indented and numbered."""
    for number, inner in enumerate(error.exceptions, 1):
        if id(inner) in seen or len(seen) >= _MAX_ERRORS:
            continue
        part: list[str] = []
        _chain(inner, part, seen)
        lines.append(f"  +---------------- {number} ----------------")
        lines.extend(f"  | {line}" for text in part for line in text.split("\n"))


def _frames(trace: TracebackType | None, lines: list[str]) -> None:
    """Append two lines for each frame; a recursion is shown by its first frames and a count."""
    last: tuple[str, int, str] | None = None
    times = 0
    while trace is not None:
        code = trace.tb_frame.f_code
        place = (code.co_filename, trace.tb_lineno, code.co_name)
        if place != last:
            _append_repeats(times, lines)
            last, times = place, 0
        times += 1
        if times <= _REPEATS:
            lines.append(f'  File "{place[0]}", line {place[1]}, in {place[2]}')
            source = linecache.getline(place[0], place[1], trace.tb_frame.f_globals).strip()
            if source:
                lines.append(f"    {source}")
        trace = trace.tb_next
    _append_repeats(times, lines)


def _append_repeats(times: int, lines: list[str]) -> None:
    if times > _REPEATS:
        lines.append(f"  [Previous line repeated {times - _REPEATS} more times]")


def shorten(text: str, limit: int = MAX_BYTES) -> str:
    """Cut the middle out: where it began and where it failed are at the ends."""
    if len(text) <= limit and (text.isascii() or len(_encoded(text)) <= limit):
        return text
    data = _encoded(text)
    head = data[: limit // 3].decode(errors="ignore")
    tail = data[-(limit - limit // 3) :].decode(errors="ignore")
    return f"{head}\n  ... {len(text) - len(head) - len(tail)} characters left out ...\n{tail}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
