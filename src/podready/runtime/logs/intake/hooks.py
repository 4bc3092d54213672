"""Routes what a process writes into its log: libraries, warnings, uncaught exceptions."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from podready.errors import SettingsError
from podready.runtime.logs.formats.parts import SourceLocation
from podready.runtime.logs.intake.handler_replacement import (
    after_each_configuration,
    replace_handlers,
    replace_root_handlers,
)
from podready.runtime.logs.intake.records import RecordHandler
from podready.runtime.logs.intake.stdout_capture import capture_stdout

if TYPE_CHECKING:
    from types import TracebackType

    from podready.runtime.logs.log import Log

_CRASH: Final = "podready.crash"
_WARNINGS: Final = "py.warnings"


def install(log: Log, *, replace: bool, stdout: bool) -> None:
    """Route the standard library's logging, warnings and uncaught exceptions to `log`.

    Handlers to stdout and stderr that servers or `logging.basicConfig` put up before are replaced:
    two handlers would write each line twice, one of them not as JSON. With `replace` so are those
    of all other loggers, with `stdout` what is printed becomes lines.
    """
    log.levels.apply(logging)
    replace_root_handlers(log)
    if replace:
        replace_handlers(log)
        after_each_configuration(lambda: replace_handlers(log))
    if stdout:
        capture_stdout(log)
    hooks = Hooks(log)
    warnings.showwarning = hooks.show_warning
    sys.excepthook = hooks.uncaught
    sys.unraisablehook = hooks.unraisable
    threading.excepthook = hooks.uncaught_in_thread


class Hooks:
    """What Python calls with warnings and with exceptions that nothing catches."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def show_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,  # noqa: ARG002 - warnings passes it
        line: object = None,  # noqa: ARG002 - the same
    ) -> None:
        """Log a warning at its own place (the signature is that of warnings.showwarning)."""
        if logging.getLogger(_WARNINGS).getEffectiveLevel() > logging.WARNING:
            return
        where = SourceLocation(filename, lineno, "")
        self._log_at(where, _WARNINGS, logging.WARNING, "%s", message, category=category.__name__)

    def uncaught(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Log an exception that ends the process (the signature is that of sys.excepthook)."""
        if issubclass(kind, KeyboardInterrupt):
            return
        if isinstance(error, SettingsError):
            self._log_at(_raised_at(trace), _CRASH, logging.CRITICAL, "%s", error)
            return
        self._log_at(
            _raised_at(trace), _CRASH, logging.CRITICAL, "uncaught %s: %s", kind.__name__, error,
            error=error,
        )  # fmt: skip

    def uncaught_in_thread(self, args: threading.ExceptHookArgs) -> None:
        """Log an exception that ends a thread."""
        if args.exc_value is None or issubclass(args.exc_type, SystemExit):
            return
        name = args.thread.name if args.thread else "?"
        self._log_at(
            _raised_at(args.exc_traceback), _CRASH, logging.ERROR, "uncaught %s in thread %s",
            args.exc_type.__name__, name, error=args.exc_value,
        )  # fmt: skip

    def unraisable(self, args: sys.UnraisableHookArgs) -> None:
        """Log an exception that cannot be raised, as one of a `__del__`."""
        what = args.err_msg or "exception ignored in"
        where = _raised_at(args.exc_traceback)
        self._log_at(
            where, _CRASH, logging.WARNING, "%s %r", what, args.object, error=args.exc_value
        )

    def _log_at(
        self,
        where: SourceLocation,
        name: str,
        level: int,
        text: str,
        *args: object,
        error: BaseException | None = None,
        **extra: object,
    ) -> None:
        """Log with the place that is meant, not with that of the hook.

        The line is written here and not through the logger, which a `dictConfig` may have disabled
        or cut off: Python's own hook, which would have written to stderr, is no longer there.
        """
        if level < self._log.levels.filter(name).level:
            return
        info = None if error is None else (type(error), error, error.__traceback__)
        file, line, function = where
        logger = logging.getLogger(name)
        record = logger.makeRecord(
            name, level, file, line, text, args, info, function, extra or None
        )
        RecordHandler(self._log).emit(record)
        _pass_to_other_handlers(logger, record)


def _raised_at(trace: TracebackType | None) -> SourceLocation:
    """Return the place of the innermost frame."""
    if trace is None:
        return SourceLocation("", 0, "")
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return SourceLocation(code.co_filename, trace.tb_lineno, code.co_name)


def _pass_to_other_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Pass a record to handlers that are not podready's: files, error trackers."""
    current: logging.Logger | None = None if logger.disabled else logger
    while current is not None:
        for handler in list(current.handlers):
            if record.levelno >= handler.level and not isinstance(handler, RecordHandler):
                with suppress(Exception):  # the line is out already
                    handler.handle(record)
        current = current.parent if current.propagate else None
