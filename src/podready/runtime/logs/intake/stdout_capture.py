"""What an app prints, as lines of the log: one event a line, logger `stdout`.

A line that is a JSON object already keeps its form, so an app that writes JSON of its own with
`print` is not wrapped twice; its secrets go, and its length is held to the limit. It must have
been printed as a line: what is in the middle of a text with several lines is wrapped like any
other, because a client may have put it there (docs/reference/logs.md). `sys.stdout.buffer` and
the descriptor stay what they were.
"""

from __future__ import annotations

import io
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podready.runtime.logs.log import Log

LOGGER = "stdout"

_MAX_CHARS = 1 << 20
"""Of a line without an end; then it is cut, rather than kept for ever."""


class CapturedStdout(io.TextIOBase):
    """Replaces `sys.stdout`: collects what each thread writes until its line ends."""

    def __init__(self, log: Log, stream: Any) -> None:
        super().__init__()
        self._target = log
        self._stream = stream
        self._filter = log.levels.filter(LOGGER)
        self._of_thread = threading.local()
        self._buffers: weakref.WeakSet[LineBuffer] = weakref.WeakSet()

    def write(self, text: str) -> int:
        """Log every line that this text completes."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        buffer = self._buffer_here()
        if "\n" not in text and buffer.size + len(text) < _MAX_CHARS:
            buffer.add(text)
            return len(text)
        alone = buffer.alone and text.find("\n") == len(text) - 1
        *lines, rest = (buffer.take() + text).split("\n")
        if len(rest) >= _MAX_CHARS:
            lines, rest = [*lines, rest], ""
        if rest:
            buffer.add(rest)
            buffer.alone = False  # it follows another line
        for line in lines:
            self._log(line, alone=alone)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Log what any thread has begun and not ended."""
        for buffer in tuple(self._buffers):
            buffer.end()

    def _buffer_here(self) -> LineBuffer:
        """Return this thread's buffer."""
        existing: LineBuffer | None = getattr(self._of_thread, "buffer", None)
        if existing is None:
            existing = self._of_thread.buffer = LineBuffer(self._log)
            self._buffers.add(existing)
        return existing

    def _log(self, line: str, *, alone: bool) -> None:
        """Log one line; `alone`: nothing else was printed with it. Never raises."""
        if not line.strip() or self._filter.level > 20:
            return
        log = self._target
        try:
            line = line.rstrip("\r")
            if alone and line.startswith("{"):
                whole = log.printed(line)
                if whole is not None:
                    log.ready().write(whole)
                    return
            fields: dict[str, Any] = {}
            if log.sampler is None or log.sampler.admits(20, LOGGER, line, fields):
                log.emit(20, line, LOGGER, time.time(), fields)
        except Exception as error:  # noqa: BLE001 - an app must never fail because it printed
            log.last_resort(error, 20, line, LOGGER)

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


class LineBuffer:
    """What a thread has printed of a line; the end of the thread ends the line."""

    __slots__ = ("__weakref__", "_log", "_pieces", "alone", "size")

    def __init__(self, log: Callable[..., None]) -> None:
        self._log = log
        self._pieces: list[str] = []  # put together once, however many there are
        self.size = 0
        self.alone = True  # whether the line began with a text of its own

    def add(self, text: str) -> None:
        """Put a piece to it."""
        self._pieces.append(text)
        self.size += len(text)

    def take(self) -> str:
        """Return what there is, and begin anew."""
        whole = "".join(self._pieces)
        self._pieces.clear()
        self.size, self.alone = 0, True
        return whole

    def end(self) -> None:
        """Log it as it is."""
        alone = self.alone
        text = self.take()
        if text:
            self._log(text, alone=alone)

    __del__ = end


def capture_stdout(log: Log) -> None:
    """Make `print` log lines, where stdout is still the process's own."""
    if not _is_own(sys.stdout):
        return
    import atexit

    lines = CapturedStdout(log, sys.stdout)
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
