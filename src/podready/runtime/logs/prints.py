"""What an app prints, as lines of the log: one event a line, logger `stdout`.

A line that is a JSON object already passes as it is, so an app that writes JSON of its own with
`print` is not wrapped twice. `sys.stdout.buffer` and the descriptor stay what they were.
"""

from __future__ import annotations

import io
import json
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from podready.runtime.logs.levels import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podready.runtime.logs.output import Output

LOGGER = "stdout"

_MOST_CHARS = 1 << 20
"""Of a line without an end; then it is cut, rather than kept for ever."""


class PrintedLines(io.TextIOBase):
    """Stands for `sys.stdout`: collects what each thread writes until its line ends."""

    def __init__(self, output: Output, stream: Any) -> None:
        super().__init__()
        self._output = output
        self._stream = stream
        self._gate = LEVELS.gate(LOGGER)
        self._of_thread = threading.local()
        self._begun: weakref.WeakSet[_Begun] = weakref.WeakSet()

    def write(self, text: str) -> int:
        """Log every line that this text completes."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        begun = self._begun_here()
        whole = begun.text + text
        if "\n" not in text and len(whole) < _MOST_CHARS:
            begun.text = whole
            return len(text)
        *lines, rest = whole.split("\n")
        if len(rest) >= _MOST_CHARS:
            lines, rest = [*lines, rest], ""
        begun.text = rest
        for line in lines:
            self._log(line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Log what any thread has begun and not ended."""
        for begun in tuple(self._begun):
            begun.end()

    def _begun_here(self) -> _Begun:
        """Return what this thread has begun."""
        found: _Begun | None = getattr(self._of_thread, "begun", None)
        if found is None:
            found = self._of_thread.begun = _Begun(self._log)
            self._begun.add(found)
        return found

    def _log(self, line: str) -> None:
        if not line.strip() or self._gate.level > 20:
            return
        if line.startswith("{") and _is_object(line):
            self._output.ready().write(line.encode("utf-8", "backslashreplace") + b"\n")
        else:
            self._output.emit(20, line.rstrip("\r"), LOGGER, time.time(), {})

    # The rest is the stream's own.

    def __getattr__(self, name: str) -> Any:
        """Return what a text file has and this has not: `reconfigure`, `name`, `mode` and so on."""
        return getattr(self._stream, name)

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stream behind."""
        return int(self._stream.fileno())

    def isatty(self) -> bool:
        """Say whether the stream behind is a terminal."""
        return bool(self._stream.isatty())

    def close(self) -> None:
        """Close nothing: the descriptor is the log's."""

    @property
    def buffer(self) -> Any:
        """The bytes behind, for those who know what they write."""
        return self._stream.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return str(self._stream.encoding)

    @property
    def errors(self) -> str:  # type: ignore[override]
        """The error handler of the stream behind."""
        return str(self._stream.errors)


class _Begun:
    """What a thread has printed of a line; the end of the thread ends the line."""

    __slots__ = ("__weakref__", "_log", "text")

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self.text = ""

    def end(self) -> None:
        """Log it as it is."""
        text, self.text = self.text, ""
        if text:
            self._log(text)

    __del__ = end


def _is_object(line: str) -> bool:
    """Say whether this is JSON as every reader knows it: NaN is none."""
    try:
        return isinstance(json.loads(line, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def log_prints(output: Output) -> None:
    """Make `print` log lines, where stdout is still the process's own."""
    if not _is_own(sys.stdout):
        return
    import atexit

    lines = PrintedLines(output, sys.stdout)
    sys.stdout = lines
    atexit.register(lines.finish)


def _is_own(stream: Any) -> bool:
    """Say whether this is the stream that the process began with, on descriptor 1."""
    first: Any = sys.__stdout__
    if first is None or first is not stream:
        return False
    try:
        own: bool = first.fileno() == 1
        first.flush()
    except (OSError, ValueError):
        return False
    return own
