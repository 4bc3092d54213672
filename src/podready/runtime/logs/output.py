"""The one road of a line: context, redaction, form, limit, writer. Never blocks, never raises."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

from podready.errors import SettingsError
from podready.runtime.logs.context_fields import in_context
from podready.runtime.logs.encoder import encode, fastest, orjson_options
from podready.runtime.logs.formats import gcp
from podready.runtime.logs.formats.service import service_of
from podready.runtime.logs.formats.shape import Details, Line
from podready.runtime.logs.interrupts import let_pass
from podready.runtime.logs.levels import LEVELS
from podready.runtime.logs.line_limit import DEFAULT_BYTES, fitted
from podready.runtime.logs.options import READABLE, LogOptions, chosen_format, log_options
from podready.runtime.logs.redaction import Redaction, without_passwords
from podready.runtime.logs.sampling import Sampler
from podready.runtime.logs.values import Event, text
from podready.runtime.logs.writing.writer import FLUSH_SECONDS, LogWriter
from podready.runtime.severity import LEVELS as NUMBERS

if TYPE_CHECKING:
    from podready.runtime.logs.formats.shape import Shape

_YEAR_10000: Final = 253_402_300_800

_AT: Final = ord("@")
"""In every URL that has a password in it; one byte is found at next to no cost."""


class Output:
    """Where lines go and how they look; one for each process."""

    def __init__(self) -> None:
        self.writer: LogWriter | None = None
        self.is_configured = False  # somebody chose the form; a line alone opens the writer, too
        self.shape: Shape = gcp.shaper(service_of({}))
        self.encode: Callable[[Event], bytes] = encode
        self.is_gcp = False
        self.labels_text = ""  # of gcp, encoded, for the lines that are made by hand
        self.traces_text = ""  # of gcp, encoded, what stands before a trace id in such lines
        self.sampler: Sampler | None = None
        self._redaction = Redaction((), gcp.OURS, gcp.SPECIAL)
        self.plain_line: Line = self.line
        self._is_harmless: Callable[[Event], bool] = self._redaction.harmless.issuperset
        self._fast: Callable[[Event], bytes] = encode
        self._may_hide: Callable[[bytes], bool] = bool
        self._limit = DEFAULT_BYTES
        self._is_bare = False  # lines for people, which are no JSON
        self._ours = gcp.OURS
        self._own_gate = LEVELS.gate("podready")

    def open(self, options: LogOptions) -> LogWriter:
        """Choose the form of the lines and take hold of stdout, because somebody asked for it."""
        self.is_configured = True
        return self._open(options)

    def ready(self) -> LogWriter:
        """Return the writer; the first line of a process that configured none opens it."""
        return self.writer or self._open(_unconfigured())

    def _open(self, options: LogOptions) -> LogWriter:
        self._choose(options)
        self.sampler = Sampler(options.sample) if options.sample else None
        LEVELS.configure(options.level, options.levels)
        if self.writer is None:
            self.writer = LogWriter(1, _losses)
            atexit.register(flush)
        self.writer.block = options.block  # a forked worker has inherited that of PID 1
        return self.writer

    def _choose(self, options: LogOptions) -> None:
        readable = self._is_bare = options.format in READABLE
        self.is_gcp = options.format == "gcp"
        self._limit = 1 << 62 if readable else options.max_line
        name = "gcp" if readable else options.format
        module = import_module(f"podready.runtime.logs.formats.{name}")
        service = service_of({} if readable else os.environ)
        self.shape = module.shaper(service)
        self._ours = module.OURS
        self._redaction = Redaction(options.redact, module.OURS, gcp.SPECIAL)
        self._is_harmless = self._redaction.harmless.issuperset
        self.labels_text = gcp.labels_text(service)
        self.traces_text = gcp.traces_text(service)
        self.encode, self._fast, self.plain_line = encode, fastest(), self.line
        if self.is_gcp and orjson_options():
            from podready.runtime.logs.formats.gcp_text import short_way

            self.plain_line = short_way(
                service, self._redaction, orjson_options(), self._limit, self.line
            )
        if readable:
            from podready.runtime.logs.formats.console import console_format

            self.encode = console_format(1, colours=options.format == "console")
            self._fast = self.encode
        # A named tuple shows its names, and with them a brace, in orjson's JSON only.
        self._may_hide = _has_objects if orjson_options() and not readable else bool

    def emit(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: Details | None = None,
    ) -> None:
        """Write one line with the fields of its context; `seconds` is its Unix time.

        Never raises, whatever it is given.
        """
        try:
            if more is None:
                line = self.plain_line(level, message, logger, seconds, fields)
            else:
                line = self.line(level, message, logger, seconds, fields, more)
            (self.writer or self.ready()).write(line, level)
        except BaseException as error:  # noqa: BLE001 - an app must never fail because it logged
            self.last_resort(error, level, message, logger)

    def event(self, severity: str, message: str, fields: Event) -> None:
        """Log one event of podready's own without `logging`; never blocks, never raises."""
        level = NUMBERS.get(severity, 20)
        if level < self._own_gate.level:
            return
        stack = fields.pop("stack_trace", None)
        more = Details(stack=str(stack)) if stack else None
        self.emit(level, message, "podready", time.time(), fields, more)

    def last_resort(
        self, error: BaseException, level: object, message: object, logger: object
    ) -> None:
        """Write a bare line in the place of one that could not be written; never raises.

        What a signal handler has raised in the meantime is let through.
        """
        let_pass(error)
        try:
            number = sound_level(level)
            line = self._bare(error, number, message, logger)
            (self.writer or self.ready()).write(line, number)
        except BaseException as failure:  # noqa: BLE001 - nothing is left that could be said
            let_pass(failure)

    def _bare(self, error: BaseException, level: int, message: object, logger: object) -> bytes:
        """Return a line of texts only."""
        told: Event = {"log_error": f"{type(error).__name__}: {text(error)}"[:200]}
        words = text(message), text(logger)
        return self._finished(self.encode(self.shape(level, *words, time.time(), told, None)))

    def line(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: Details | None = None,
    ) -> bytes:
        """Return the finished line; never raises."""
        try:
            fields = in_context(fields)
            if not self._is_harmless(fields):
                fields = self._redaction.apply(fields)
            line = self._fast(self.shape(level, message, logger, seconds, fields, more))
            if self._may_hide(line) and self._redaction.hides(fields):
                fields = self._redaction.apply(fields)
                line = self._fast(self.shape(level, message, logger, seconds, fields, more))
            return self._finished(line) if len(line) > self._limit or _AT in line else line
        except BaseException as error:  # noqa: BLE001 - values that the fast encoder does not take
            let_pass(error)
            return self._slow_line(level, message, logger, seconds, fields, more)

    def _slow_line(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: Details | None,
    ) -> bytes:
        """Return the line of values that are not what they should be."""
        number = sound_level(level)
        try:
            fields = self._redaction.apply(fields)
            words, when = (text(message), text(logger)), sound_time(seconds)
            return self._finished(self.encode(self.shape(number, *words, when, fields, more)))
        except BaseException as error:  # noqa: BLE001 - an app must never fail because it logged
            let_pass(error)
            return self._bare(error, number, message, logger)

    def printed(self, line: str) -> bytes | None:
        """Return a line of JSON that an app has printed, without its secrets; None: it is none.

        What an app has made stays as it is: names, order, spaces.
        """
        found = self._redaction.object_in(line)
        if found is None:
            return None
        event, changed = found
        whole = self.encode(event) if changed else line.encode("utf-8", "backslashreplace") + b"\n"
        return self._finished(whole)

    def _finished(self, line: bytes) -> bytes:
        if _AT in line and b"://" in line:
            line = without_passwords(line, bare=self._is_bare)
        return line if len(line) <= self._limit else fitted(line, self._limit, self._ours)


def _unconfigured() -> LogOptions:
    """Return what the environment says; what it says wrong must not raise from a log line."""
    try:
        return log_options(os.environ, "auto", "info")
    except SettingsError:
        return LogOptions(format=chosen_format("auto"))


def sound_level(level: object) -> int:
    """Return a level as the number that it should be; INFO for what is none."""
    try:
        return int(level) if isinstance(level, int | float) else 20
    except (ValueError, OverflowError):  # NaN and infinities
        return 20


def sound_time(seconds: object) -> float:
    """Return a Unix time in the years that can be written; now for what is none."""
    if isinstance(seconds, int | float) and 0 <= seconds < _YEAR_10000:
        return float(seconds)
    return time.time()


def _has_objects(line: bytes) -> bool:
    """Say whether there is a brace in a line of JSON besides its first."""
    return line.find(b"{", 1) > 0


def _losses(count: int) -> bytes:
    """Return the line that tells how many lines are missing from the log."""
    fields: Event = {"dropped": count}
    return OUTPUT.line(30, "log lines dropped", "podready", time.time(), fields)


def flush(seconds: float = FLUSH_SECONDS) -> None:
    """Wait up to `seconds` until every line is out; say on stderr what is lost then."""
    writer = OUTPUT.writer
    lost = writer.flush(seconds) if writer else 0
    if lost and writer and not writer.closed:
        stderr = LogWriter(2, _losses, backlog_bytes=4096)
        stderr.write(f"podready: {lost} log lines lost: {writer.trouble}\n".encode(), 30)


OUTPUT: Final = Output()
"""This process's."""
