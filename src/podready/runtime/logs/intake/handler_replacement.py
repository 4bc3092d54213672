"""Replaces the handlers with which libraries and frameworks write to stdout or stderr.

Litestar's default, Django's LOGGING, a `logging.basicConfig` in an app: each puts up handlers that
write text, tracebacks over many lines included, among the JSON. Their loggers and levels stay;
what writes to a standard stream is replaced. Handlers to files, sockets or services are left alone.

An app may configure `logging` after podready did: Django's `setup`, a `dictConfig` or a
`basicConfig(force=True)` put up handlers and, by default, silence loggers that exist already. Right
after each of these calls the handlers are replaced again. hypercorn puts up its handlers when it
begins to serve, after it has imported the app.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.intake.records import RecordHandler
from podready.runtime.logs.intake.server_access import ACCESS_LOGGERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podready.runtime.logs.log import Log

SERVERS: Final = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.asgi",
    "gunicorn.error",
    "_granian",
    "hypercorn.error",
    *sorted(ACCESS_LOGGERS),
)

_MARK: Final = "__podready_replaces_handlers__"


def silence_access_logs(log: Log) -> None:
    """Let servers write no access lines of their own to stdout, where podready writes them.

    uvicorn asks whether its logger has handlers before it makes a line at all. A file that
    the server was configured to write goes on being written.
    """
    log.silenced_loggers.update(ACCESS_LOGGERS)
    for name in ACCESS_LOGGERS:
        _silence(logging.getLogger(name))


def _silence(logger: logging.Logger) -> None:
    for handler in [each for each in logger.handlers if _is_replaced(each)]:
        logger.removeHandler(handler)
    logger.propagate = False


def replace_root_handlers(log: Log) -> None:
    """Put up the root's handler, in the place of those that write to a standard stream.

    So it is for loggers of servers that have such a handler: they reach the root from now on. One
    without any is one that was turned off (`uvicorn --no-access-log`), and stays so; files stay.
    """
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not _is_replaced(each)]
    root.addHandler(RecordHandler(log))
    loggers = [logging.getLogger(name) for name in SERVERS]
    # gunicorn's workers share one list of handlers among loggers: look first, then remove.
    speaking = [each for each in loggers if any(map(_is_replaced, each.handlers))]
    for logger in speaking:
        for handler in [each for each in logger.handlers if _is_replaced(each)]:
            logger.removeHandler(handler)
        logger.propagate = True


def replace_handlers(log: Log) -> None:
    """Replace every handler that writes to a standard stream; may be called again and again.

    A `logging.config.dictConfig` with `disable_existing_loggers`, which is its default, silences
    loggers that exist already: those of the server and podready's are enabled again.
    """
    replace_root_handlers(log)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if not isinstance(logger, logging.Logger):
            continue
        if name in log.silenced_loggers:
            _silence(logger)
            continue
        if name in SERVERS or name.partition(".")[0] == "podready":
            logger.disabled = False
        _replace(logger, log)


def _replace(logger: logging.Logger, log: Log) -> None:
    replaced = [each for each in logger.handlers if _is_replaced(each)]
    if not replaced:
        return
    for handler in replaced:
        logger.removeHandler(handler)
    if not _reaches_root(logger):
        replacement = _ReplacementHandler(log, min(_floor(handler) for handler in replaced))
        for handler in replaced:
            replacement.filters += handler.filters
        logger.addHandler(replacement)


class _ReplacementHandler(RecordHandler):
    """Replaces a handler that had a level, unless a lower level was set for the logger's name.

    A level set for a logger's name, by `PUT /loggers/NAME` or PODREADY_LOG_LEVELS, or to all by
    SIGUSR1, is about what is written, wherever the logger's lines go.
    """

    def __init__(self, log: Log, floor: int) -> None:
        super().__init__(log)
        self.floor = floor

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit one record if the level, or the one asked for, and the filters let it through."""
        if record.levelno < self.floor:
            asked = self._log.levels.asked(record.name)
            if asked is None or record.levelno < asked:
                return False
        return super().handle(record)


def _floor(handler: logging.Handler) -> int:
    return handler.floor if isinstance(handler, _ReplacementHandler) else handler.level


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


def after_each_configuration(then: Callable[[], None]) -> None:
    """Call `then` after every dictConfig, fileConfig and basicConfig of this process.

    Called again it replaces `then`; the functions are wrapped once.
    """
    configurator: Any = logging.config.DictConfigurator
    for owner, name in ((configurator, "configure"), (logging.config, "fileConfig")):
        _follow(owner, name, then)
    _follow(logging, "basicConfig", then)
    hypercorn: Any = sys.modules.get("hypercorn.logging")
    if hypercorn is not None:
        _follow(hypercorn.Logger, "__init__", then)


def _follow(owner: Any, name: str, then: Callable[[], None]) -> None:
    original = getattr(owner, name)
    original = getattr(original, "__wrapped__", original) if _is_wrapped(original) else original

    @wraps(original)
    def configure(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        then()
        return result

    setattr(configure, _MARK, True)
    setattr(owner, name, configure)


def _is_wrapped(function: Any) -> bool:
    return hasattr(function, _MARK)
