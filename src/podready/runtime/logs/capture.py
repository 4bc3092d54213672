"""Brings everything a process says into the one log: libraries, warnings, uncaught exceptions."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from podready.errors import SettingsError
from podready.runtime.logs.levels import LEVELS
from podready.runtime.logs.prints import log_prints
from podready.runtime.logs.records import RecordHandler
from podready.runtime.logs.takeover import SERVERS, take_over

if TYPE_CHECKING:
    from types import TracebackType

    from podready.runtime.logs.output import Output

_crash = logging.getLogger("podready.crash")


def capture(output: Output, *, takeover: bool, prints: bool) -> None:
    """Route the standard library's logging, warnings and uncaught exceptions to `output`.

    Handlers that servers or `logging.basicConfig` put up before are taken down: two handlers
    would write each line twice, one of them not as JSON.
    """
    logging.getLogger().handlers.clear()
    LEVELS.apply(logging)
    for name in SERVERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    if takeover:
        take_over(output)
    else:
        logging.getLogger().addHandler(RecordHandler(output))
    if prints:
        log_prints(output)
    warnings.showwarning = _show_warning
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,  # noqa: ARG001 - warnings hands it over
    line: object = None,  # noqa: ARG001 - the same
) -> None:
    """Log a warning with its place as fields (the signature is that of warnings.showwarning)."""
    place = {"category": category.__name__, "file": filename, "line": lineno}
    logging.getLogger("py.warnings").warning("%s", message, extra=place)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    if isinstance(error, SettingsError):
        _crash.critical("%s", error)
        return
    _crash.critical("uncaught %s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    name = args.thread.name if args.thread else "?"
    info = (args.exc_type, args.exc_value, args.exc_traceback)
    _crash.error("uncaught %s in thread %s", args.exc_type.__name__, name, exc_info=info)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    what = args.err_msg or "exception ignored in"
    if args.exc_value is None:
        _crash.warning("%s %r", what, args.object)
        return
    info = (args.exc_type, args.exc_value, args.exc_traceback)
    _crash.warning("%s %r", what, args.object, exc_info=info)
