"""Lines that libraries and frameworks would write to stdout or stderr in a form of their own.

Litestar's default, Django's LOGGING, a `logging.basicConfig` in an app: each puts up handlers that
write text, tracebacks over many lines included, among the JSON. Their loggers and levels stay;
what writes to a standard stream is replaced. Handlers to files, sockets or services are left alone.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.records import RecordHandler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.runtime.logs.output import Output

SERVERS = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "uvicorn.asgi",
    "gunicorn.error",
    "gunicorn.access",
    "_granian",
    "hypercorn.error",
    "hypercorn.access",
)


_ACCESS: Final = ("uvicorn.access", "gunicorn.access", "hypercorn.access", "granian.access")


def silence_access_logs() -> None:
    """Let servers write no access lines of their own, where ours are written.

    uvicorn asks whether its logger has handlers before it makes a line at all.
    """
    for name in _ACCESS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False


def take_over(output: Output) -> None:
    """Replace every handler that writes to a standard stream; may be called again and again.

    A `logging.config.dictConfig` with `disable_existing_loggers`, which is its default, silences
    loggers that exist already: those of the server and ours get their voice back.
    """
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not _is_replaced(each)]
    root.addHandler(RecordHandler(output))
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if not isinstance(logger, logging.Logger):
            continue
        if name in SERVERS or name.partition(".")[0] == "podready":
            logger.disabled = False
        _replace(logger, output)


def _replace(logger: logging.Logger, output: Output) -> None:
    replaced = [each for each in logger.handlers if _is_replaced(each)]
    if not replaced:
        return
    for handler in replaced:
        logger.removeHandler(handler)
    if not _reaches_root(logger):
        ours = RecordHandler(output)
        ours.setLevel(min(handler.level for handler in replaced))
        for handler in replaced:
            ours.filters += handler.filters
        logger.addHandler(ours)


def _is_replaced(handler: logging.Handler) -> bool:
    return isinstance(handler, RecordHandler) or _writes_to_standard_stream(handler)


def _writes_to_standard_stream(handler: Any) -> bool:
    """Say whether a handler's lines end up on stdout or stderr, over a queue or rich, too."""
    listener = getattr(handler, "listener", None)  # of a QueueHandler
    if listener is not None:
        return _all_write(getattr(listener, "handlers", ()))
    if isinstance(handler, logging.StreamHandler):
        return not isinstance(handler, logging.FileHandler) and _is_standard(handler.stream)
    return _is_standard(getattr(getattr(handler, "console", None), "file", None))


def _all_write(handlers: Iterable[Any]) -> bool:
    found = list(handlers)
    return bool(found) and all(_writes_to_standard_stream(each) for each in found)


def _is_standard(stream: Any) -> bool:
    if stream is None:
        return False
    standard = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    if any(stream is each for each in standard):
        return True
    try:
        return stream.fileno() in {1, 2}
    except (AttributeError, OSError, ValueError):
        return False


def _reaches_root(logger: logging.Logger) -> bool:
    current: logging.Logger | None = logger
    while current is not None and current.parent is not None:
        if not current.propagate:
            return False
        current = current.parent
    return True
