"""Stack traces: the text that Python itself prints, without carets and without locals."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from podready.runtime.logs import stack
from podready.runtime.logs.stack import MAX_BYTES, stack_trace


def caught(function: Callable[[], Any]) -> BaseException:
    """Return what a function raises."""
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - any of them
        return error
    raise AssertionError("it raised nothing")


def recursive(depth: int) -> int:
    """Fail far down."""
    return recursive(depth - 1) if depth else 1 // 0


def chained() -> None:
    """Fail because of another failure, which came during a third one."""
    try:
        try:
            raise KeyError("first")  # noqa: TRY301 - the chain is what is tested
        except KeyError:
            raise OSError("second")  # noqa: B904 - the context is what is tested
    except OSError as error:
        raise ValueError("third\nover two lines") from error


def noted() -> None:
    """Fail with a note."""
    error = RuntimeError("boom")
    error.add_note("while paying\nin euro")
    raise error


def hidden() -> None:
    """Fail with a context that is not to be shown."""
    try:
        raise KeyError("inner")  # noqa: TRY301 - the chain is what is tested
    except KeyError:
        raise ValueError("outer") from None


def syntax() -> None:
    """Fail with an exception that shows its own source."""
    compile("a b\n", "settings.py", "exec")


@pytest.mark.parametrize("function", [chained, noted, hidden, syntax, lambda: recursive(50)])
def test_the_text_is_pythons_own(function: Callable[[], Any]) -> None:
    """Except for the carets, which cost 200 us."""
    error = caught(function)
    python = "".join(traceback.format_exception(error)).rstrip("\n")
    ours = stack_trace(error)
    # The caret that a SyntaxError shows stays; those under frames have tildes (Python 3.13).
    carets = r"^ +[~^]*~[~^]*\n" if function is syntax else r"^ +[~^]+\n"
    assert ours == re.sub(carets, "", python, flags=re.MULTILINE)


def test_groups_show_each_of_their_exceptions() -> None:
    """With their own traces, indented."""

    def fail() -> None:
        raise ExceptionGroup("two", [caught(chained), caught(noted)])  # type: ignore[type-var]

    text = stack_trace(caught(fail))
    assert "ExceptionGroup: two (2 sub-exceptions)" in text
    assert "  | ValueError: third" in text
    assert "  | RuntimeError: boom" in text


def test_of_a_long_chain_the_root_stays() -> None:
    """It says what was wrong; of those in between some are left out, and that is told."""

    def wrap(depth: int) -> None:
        try:
            wrap(depth - 1) if depth else int("root")
        except Exception as error:
            raise ValueError(f"wrapped {depth}") from error

    error = caught(lambda: wrap(59))
    lines: list[str] = []
    stack._chain(error, lines, set())
    text = "\n".join(lines)
    assert text.index("base 10: 'root'") < text.index("wrapped 0") < text.index("wrapped 20")
    assert text.endswith("ValueError: wrapped 59")
    assert "... 11 exceptions left out ..." in text
    assert text.count("Traceback (most recent call last)") == 50
    assert "base 10: 'root'" in stack_trace(error)


def test_circles_end() -> None:
    """An exception that is its own cause by a detour."""
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert stack_trace(first).count("ValueError: a") == 1


def test_long_traces_lose_their_middle() -> None:
    """Both ends tell most."""

    def ping(n: int) -> None:
        pong(n - 1) if n else 1 // 0

    def pong(n: int) -> None:
        ping(n - 1) if n else 1 // 0

    text = stack_trace(caught(lambda: ping(400)))
    assert len(text) < MAX_BYTES + 100
    assert "characters left out" in text
    assert text.endswith("integer division or modulo by zero")


def test_the_limit_is_one_of_bytes() -> None:
    """A text of other letters than Latin ones takes up to four for each."""

    def fail() -> None:
        raise ValueError("価" * 11_000 + "end")

    text = stack_trace(caught(fail))
    assert MAX_BYTES - 100 < len(text.encode()) < MAX_BYTES + 100
    assert text.startswith("Traceback")
    assert text.endswith("価end")
    assert "characters left out" in text


def test_exceptions_that_cannot_be_printed() -> None:
    """Whatever a user's class does."""

    class MeanError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

        @property
        def __cause__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("no")

    assert "MeanError" in stack_trace(caught(lambda: (_ for _ in ()).throw(MeanError())))
