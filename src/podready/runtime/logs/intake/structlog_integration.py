"""structlog's API bound straight to podready's writer (`pip install 'podready[structlog]'`).

    from podready.logs.structlog import use_structlog
    use_structlog()

The usual recipe sends an event through a chain of processors, a JSON renderer and often the
standard library; here a bound logger writes to podready's log, which adds the context, redacts,
encodes and never blocks. Levels are looked up when a line is logged, so that `PUT /loggers/NAME`
works for cached loggers, too. Why this is no processor of structlog's: decision 18.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog
from structlog.contextvars import get_contextvars

from podready.runtime.logs.formats.parts import Details, SourceLocation
from podready.runtime.logs.levels import LevelFilter
from podready.runtime.logs.log import LOG
from podready.runtime.logs.values import Event, formatted, text
from podready.runtime.severity import LEVELS as NUMBERS
from podready.runtime.severity import level_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import FrameType

    from structlog.typing import Processor

_WARNING: Final = 30


class Target:
    """What a bound logger writes to: a name and its level."""

    __slots__ = ("filter", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.filter: LevelFilter = LOG.levels.filter(name)


def _method(level: int) -> Callable[..., None]:
    """Return the method that logs at one level; the common line needs no other function."""

    def log(self: BoundLogger, event: object = None, *args: Any, **fields: Any) -> None:
        if level < self._filter.level:
            return
        if (
            level >= _WARNING
            or args
            or type(event) is not str
            or self._processors
            or LOG.sampler is not None
            or "exc_info" in fields
            or "stack_info" in fields
        ):
            _emit(self, level, event, args, fields)
            return
        if self._context:
            fields = {**self._context, **fields} if fields else self._context
        line = LOG.line(level, event, self._logger.name, time.time(), fields)
        (LOG.writer or LOG.ready()).write(line, level)

    return log


def _awaitable(method: Callable[..., None]) -> Callable[..., Awaitable[None]]:
    """Return a method to be awaited: a line is written without waiting, so there is nothing to."""

    async def log(self: BoundLogger, *args: Any, **fields: Any) -> None:
        method(self, *args, **fields)

    return log


class BoundLogger(structlog.BoundLoggerBase):
    """structlog's bound logger, with the methods of its filtering one."""

    _logger: Target

    def __init__(self, logger: Target, processors: Iterable[Processor], context: Any) -> None:
        super().__init__(logger, processors, context)
        self._filter = logger.filter  # read for every line, also for those not written

    debug = _method(10)
    info = _method(20)
    warning = _method(30)
    error = _method(40)
    critical = _method(50)

    def exception(self, event: object = None, *args: Any, **fields: Any) -> None:
        """Log at ERROR with the exception that is being handled."""
        if self._logger.filter.level <= 40:
            fields.setdefault("exc_info", True)
            _emit(self, 40, event, args, fields)

    def log(self, level: int | str, event: object = None, *args: Any, **fields: Any) -> None:
        """Log at a level, by number or name."""
        number = level_of(level)
        if self._logger.filter.level <= number:
            _emit(self, number, event, args, fields)

    msg = info
    warn = warning
    fatal = critical
    err = error

    adebug, ainfo, awarning, aerror, acritical, aexception, alog = map(
        _awaitable, (debug, info, warning, error, critical, exception, log)
    )

    amsg = ainfo
    awarn = awarning
    afatal = acritical

    def setLevel(self, level: int) -> None:  # noqa: N802 - structlog's own name
        """Set the level of this logger's name."""
        self._logger.filter.level = level

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - structlog's own name
        """Say whether a line of this level is written."""
        return self._logger.filter.level <= level

    is_enabled_for = isEnabledFor

    def get_effective_level(self) -> int:
        """Return the level that holds now."""
        return self._logger.filter.level


def use_structlog(*processors: Processor) -> None:
    """Make `structlog.get_logger(name)` write podready's lines; call it once at start.

    `processors` of the app's own run before, on structlog's event dictionary; renderers, time
    stampers and level adders are not needed, and what a level adder or stamper adds is replaced.
    """
    structlog.configure(
        processors=list(processors),
        context_class=dict,
        wrapper_class=BoundLogger,
        logger_factory=_target,
        cache_logger_on_first_use=True,
    )
    if _bound_in_context not in LOG.sources:
        LOG.sources.append(_bound_in_context)


def _target(*args: Any) -> Target:
    """Make the target of `structlog.get_logger(name)`, named for the calling module without one."""
    if args and args[0]:
        return Target(str(args[0]))
    return Target(str(_caller(sys._getframe(1)).f_globals.get("__name__", "")))


def _emit(
    bound: BoundLogger, level: int, event: object, args: tuple[Any, ...], fields: Event
) -> None:
    """Write one event; raises no Exception."""
    try:
        _emit_event(bound, level, event, args, fields)
    except Exception as error:  # noqa: BLE001 - an app must never fail because it logged
        LOG.last_resort(error, level, event, bound._logger.name)


def _emit_event(
    bound: BoundLogger, level: int, event: object, args: tuple[Any, ...], fields: Event
) -> None:
    fields = {**bound._context, **fields}
    sampler = LOG.sampler
    if sampler is not None and not sampler.admits(level, bound._logger.name, event, fields):
        return
    if bound._processors:
        processed = _processed(bound, level, event, fields)
        if processed is None:
            return
        event, fields = processed
    more = None
    if level >= _WARNING or "exc_info" in fields or "stack_info" in fields:
        more = _details(level, fields)
    message = event if type(event) is str else text(event)
    if args:  # one mapping holds the values of names in the text, as in logging
        by_name = len(args) == 1 and isinstance(args[0], Mapping) and args[0]
        message, unfit = formatted(message, args[0] if by_name else args)
        fields = {**fields, **unfit}
    LOG.emit(level, message, bound._logger.name, time.time(), fields, more)


def _processed(
    bound: BoundLogger, level: int, event: object, fields: Event
) -> tuple[object, Event] | None:
    """Run the app's own processors; None when one of them drops the event."""
    name = next((name.lower() for name, number in NUMBERS.items() if number == level), "info")
    found: Any = {**fields, "event": event}
    try:
        for processor in bound._processors:
            found = processor(bound._logger, name, found)
    except structlog.DropEvent:
        return None
    except Exception as error:  # noqa: BLE001 - an app must never fail because it logged
        return event, {**fields, "log_error": f"a processor raised {type(error).__name__}"}
    if not isinstance(found, dict):
        return text(found), {}
    for added in ("level", "timestamp", "logger"):
        found.pop(added, None)
    return found.pop("event", event), found


def _details(level: int, fields: Event) -> Details:
    """Take exception and stack out of the fields, and look up who logs."""
    location = None
    if level >= _WARNING:
        frame = _caller(sys._getframe(1))
        code = frame.f_code
        location = SourceLocation(code.co_filename, frame.f_lineno, code.co_qualname)
    error = _exception(fields.pop("exc_info", None))
    stack = fields.pop("stack_info", None)
    return Details(location, error, _stack(stack) if stack else "")


def _exception(value: Any) -> BaseException | None:
    """Return the exception in what structlog allows as exc_info: one, a tuple, or a true value."""
    if isinstance(value, BaseException):
        return value
    if isinstance(value, tuple):
        return value[1] if len(value) > 1 and isinstance(value[1], BaseException) else None
    return sys.exc_info()[1] if value else None


def _stack(value: object) -> str:
    if isinstance(value, str):
        return value
    from traceback import format_stack

    return "Stack (most recent call last):\n" + "".join(format_stack(_caller(sys._getframe(1))))


def _caller(frame: FrameType) -> FrameType:
    """Return the first frame outside this module and structlog."""
    found: FrameType | None = frame
    while found is not None:
        module = str(found.f_globals.get("__name__", ""))
        if module != __name__ and not module.startswith("structlog"):
            return found
        found = found.f_back
    return frame


_variables: Any = getattr(structlog.contextvars, "_CONTEXT_VARS", True)
"""structlog's table of context variables: while it is empty, nothing is bound anywhere."""


def _bound_in_context() -> Event | None:
    """Return what `structlog.contextvars.bind_contextvars` has bound."""
    return get_contextvars() if _variables else None
