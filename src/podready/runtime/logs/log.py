"""The log of a process: its levels, its form, and the pipeline from an event to a written line.

context, redaction, format, limit, writer. A log call never blocks and raises no Exception.
"""

from __future__ import annotations

import atexit
import os
import time
from importlib import import_module
from typing import TYPE_CHECKING, Final

from podready.errors import SettingsError
from podready.runtime.logs.context_fields import Source, with_context
from podready.runtime.logs.encoder import JSON, Encoder, reason, reraise_interrupt, safe_dumps
from podready.runtime.logs.fast_path import fast_line
from podready.runtime.logs.formats import console, gcp
from podready.runtime.logs.formats.parts import Details, Format, MakeLine, More
from podready.runtime.logs.formats.service import service_of
from podready.runtime.logs.levels import Levels
from podready.runtime.logs.line_limit import fitted
from podready.runtime.logs.options import READABLE, LogOptions, chosen_format, log_options
from podready.runtime.logs.redaction import Redaction
from podready.runtime.logs.sampling import Sampler
from podready.runtime.logs.values import Event, text
from podready.runtime.logs.writing.writer import FLUSH_SECONDS, LogWriter
from podready.runtime.severity import LEVELS as NUMBERS
from podready.runtime.url_passwords import without_passwords

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN: Final = "podready"
"""The logger of podready's own events."""

_YEAR_10000: Final = 253_402_300_800
_AT: Final = ord("@")
"""In every URL that has a password in it; one byte is found at next to no cost."""


class Log:
    """Which lines are written, how they look and where they go."""

    def __init__(self) -> None:
        self.levels = Levels()
        self.encoder: Encoder = JSON  # of the lines that are chosen next
        self.sources: list[Source] = []
        self.writer: LogWriter | None = None
        self.silenced_loggers: set[str] = set()  # access logs of servers
        self.is_muted = False  # for reports about settings
        self.is_configured = False  # by `open`; the first line opens the writer, too
        self.sampler: Sampler | None = None
        self.line: MakeLine = self.checked_line
        self._own = self.levels.filter(_OWN)
        self.choose(LogOptions())

    def open(self, options: LogOptions) -> LogWriter:
        """Choose the form of the lines and open the writer to stdout."""
        self.is_configured = True
        return self._open(options)

    def ready(self) -> LogWriter:
        """Return the writer; the first line of a process that configured none opens it."""
        return self.writer or self._open(_unconfigured())

    def _open(self, options: LogOptions) -> LogWriter:
        self.choose(options)
        self.sampler = Sampler(options.sample) if options.sample else None
        self.levels.configure(options.level, options.levels)
        if self.writer is None:
            self.writer = LogWriter(1, self._lost_lines)
            atexit.register(self.flush)
        self.writer.block = options.block  # a forked worker has inherited that of PID 1
        return self.writer

    def choose(self, options: LogOptions) -> None:
        """Choose the form of the lines."""
        self._is_readable = options.format in READABLE
        self._limit = 1 << 62 if self._is_readable else options.max_line
        service = service_of(os.environ)
        if self._is_readable:
            self._format: Format = console.formatter(1, colours=options.format == "console")
            self._reserved = console.RESERVED
        else:
            module = import_module(f"podready.runtime.logs.formats.{options.format}")
            self._format, self._reserved = module.formatter(service), module.RESERVED
        self._redaction = Redaction(options.redact, self._reserved, gcp.SPECIAL)
        self._is_safe: Callable[[Event], bool] = self._redaction.known_safe.issuperset
        # A named tuple shows its names, and with them a brace, in orjson's JSON only.
        orjson = bool(self.encoder.options) and not self._is_readable
        self._may_hide: Callable[[bytes], bool] = _has_objects if orjson else bool
        self._dumps = self.encoder.dumps
        self.line = self.checked_line
        if isinstance(self._format, gcp.GcpFormat) and orjson:
            self.line = fast_line(
                self._format,
                self.encoder,
                self.sources,
                self._redaction,
                self._limit,
                self.checked_line,
            )

    def event(self, severity: str, message: str, fields: Event) -> None:
        """Log one event of podready's own without `logging`; never blocks, never raises."""
        level = NUMBERS.get(severity, 20)
        if level < self._own.level:
            return
        stack = fields.pop("stack_trace", None)
        more = Details(stack=str(stack)) if stack else None
        self.emit(level, message, _OWN, time.time(), fields, more)

    def emit(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More = None,
    ) -> None:
        """Write one line with the fields of its context; `seconds` is its Unix time.

        Raises no Exception, whatever the arguments are.
        """
        try:
            line = self.line(level, message, logger, seconds, fields, more)
            (self.writer or self.ready()).write(line, level)
        except Exception as error:  # noqa: BLE001 - an app must never fail because it logged
            self.last_resort(error, level, message, logger)

    def last_resort(self, error: Exception, level: object, message: object, logger: object) -> None:
        """Write a bare line in the place of one that could not be written."""
        try:
            number = coerce_level(level)
            line = self._bare(error, number, message, logger)
            (self.writer or self.ready()).write(line, number)
        except Exception:  # noqa: BLE001 - nothing is left that could be logged
            pass

    def printed(self, line: str) -> bytes | None:
        """Return a line of JSON that an app has printed, without its secrets; None: it is none.

        What an app has made stays as it is: names, order, spaces.
        """
        parsed = self._redaction.object_in(line)
        if parsed is None:
            return None
        event, changed = parsed
        whole = (
            self.encoder.encode(event)
            if changed
            else line.encode("utf-8", "backslashreplace") + b"\n"
        )
        return self._finished(whole)

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait up to `seconds` until every line is out; write to stderr what is lost then."""
        writer = self.writer
        lost = writer.flush(seconds) if writer else 0
        if lost and writer and not writer.closed:
            stderr = LogWriter(2, self._lost_lines, backlog_bytes=4096)
            stderr.write(f"podready: {lost} log lines lost: {writer.trouble}\n".encode(), 30)

    def checked_line(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More = None,
        /,
    ) -> bytes:
        """Return the finished line of any event; never raises an Exception."""
        logged = fields
        try:
            fields = with_context(fields, self.sources)
            if not self._is_safe(fields):
                fields = self._redaction.apply(fields)
            line = self._format(level, message, logger, seconds, fields, more, self._dumps)
            if self._may_hide(line) and self._redaction.hides(fields):
                fields = self._redaction.apply(fields)
                line = self._format(level, message, logger, seconds, fields, more, self._dumps)
            return self._finished(line) if len(line) > self._limit or _AT in line else line
        except Exception as error:  # noqa: BLE001 - parts that the encoder does not take
            reraise_interrupt(error)
            return self._coerced_line(level, message, logger, seconds, logged, more)

    def _coerced_line(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More,
    ) -> bytes:
        """Return the line of parts that are not what they should be."""
        number = coerce_level(level)
        try:
            fields = self._redaction.apply(self._with_context(fields))
            parts = number, text(message), text(logger), coerce_time(seconds)
            try:
                line = self._format(*parts, fields, more, self._dumps)
            except Exception as error:  # noqa: BLE001 - values that the encoder does not take
                reraise_interrupt(error)
                fields = {**fields, "log_error": reason(error)}
                line = self._format(*parts, fields, more, safe_dumps)
            return self._finished(line)
        except Exception as error:  # noqa: BLE001 - an app must never fail because it logged
            return self._bare(error, number, message, logger)

    def _with_context(self, fields: Event) -> Event:
        """Add the context; a source that fails costs its fields, not the line."""
        try:
            return with_context(fields, self.sources)
        except Exception as error:  # noqa: BLE001 - sources belong to the app
            return {**fields, "log_error": reason(error)}

    def _bare(self, error: Exception, level: int, message: object, logger: object) -> bytes:
        """Return a line of texts only."""
        fields: Event = {"log_error": reason(error)}
        parts = level, text(message), text(logger), time.time()
        return self._finished(self._format(*parts, fields, None, safe_dumps))

    def _finished(self, line: bytes) -> bytes:
        if _AT in line and b"://" in line:
            line = without_passwords(line, bare=self._is_readable)
        return line if len(line) <= self._limit else fitted(line, self._limit, self._reserved)

    def _lost_lines(self, count: int) -> bytes:
        """Return the line that reports how many lines are missing from the log."""
        return self.line(30, "log lines dropped", _OWN, time.time(), {"dropped": count})


def _unconfigured() -> LogOptions:
    """Return what the environment sets; what is wrong in it must not raise from a log line."""
    try:
        return log_options(os.environ, "auto", "info")
    except SettingsError:
        return LogOptions(format=chosen_format("auto"))


def coerce_level(level: object) -> int:
    """Return a level as the number that it should be; INFO for what is none."""
    try:
        return int(level) if isinstance(level, int | float) else 20
    except (ValueError, OverflowError):  # NaN and infinities
        return 20


def coerce_time(seconds: object) -> float:
    """Return a Unix time in the years that can be written; now for what is none."""
    if isinstance(seconds, int | float) and 0 <= seconds < _YEAR_10000:
        return float(seconds)
    return time.time()


def _has_objects(line: bytes) -> bool:
    """Say whether there is a brace in a line of JSON besides its first."""
    return line.find(b"{", 1) > 0


LOG: Final = Log()
"""This process's log, as `logging.root` is for the standard library."""
