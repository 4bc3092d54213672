"""The standard library's log records as lines: one handler for every library and server."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.formats.parts import Details, SourceLocation
from podready.runtime.logs.intake.access_log import kind as request_kind
from podready.runtime.logs.intake.access_log import title
from podready.runtime.logs.intake.server_access import ACCESS_LOGGERS, read_access
from podready.runtime.logs.log import coerce_level
from podready.runtime.logs.values import Event, formatted, text

if TYPE_CHECKING:
    from podready.runtime.logs.formats.parts import More, ServedRequest
    from podready.runtime.logs.log import Log

_STANDARD: Final = frozenset(
    {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
) | {"color_message"}  # uvicorn's second copy of the message, with terminal colours in it

_ATTRIBUTES: Final = len(logging.makeLogRecord({}).__dict__)
"""How many attributes a record has at birth; dictionaries keep the order of insertion."""

_WARNING: Final = 30


class RecordHandler(logging.Handler):
    """Turns records into lines; no formatter, no lock of its own: the writer has one."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """Own no lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit one record if this handler's filters let it through."""
        if self.filters:
            try:
                found: Any = self.filter(record)
            except Exception:  # noqa: BLE001 - a filter that fails hides nothing
                found = True
            if not found:
                return False
            if isinstance(found, logging.LogRecord):
                record = found
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; never raises, whatever the record is."""
        log, level = self._log, record.levelno
        try:
            if (
                level >= _WARNING
                or record.exc_info
                or record.exc_text
                or record.stack_info
                or log.sampler is not None
                or record.name in ACCESS_LOGGERS
            ):
                _emit_with_details(log, record, level)
                return
            fields = extras(record)
            line = log.line(level, _message(record, fields), record.name, record.created, fields)
            (log.writer or log.ready()).write(line, level)
        except Exception as error:  # noqa: BLE001 - an app must never fail because it logged
            _emit_malformed(log, record, error)


def _emit_malformed(log: Log, record: logging.LogRecord, error: Exception) -> None:
    """Write the line of a record whose parts are not what they should be, as those of a socket."""
    try:
        _emit_with_details(log, record, coerce_level(record.levelno))
    except Exception:  # noqa: BLE001 - the same
        log.last_resort(error, record.levelno, record.msg, record.name)


def _emit_with_details(log: Log, record: logging.LogRecord, level: int) -> None:
    fields, kind = extras(record), record.msg
    request: ServedRequest | None = None
    more: More
    if record.name in ACCESS_LOGGERS:
        level, request, ids = read_access(record, level)
        if not level:
            return
        fields = {**ids, **fields}
    if request is None:
        message, more = _message(record, fields), _details(record, level)
    else:
        message, more = title(request), request
        kind = request_kind(request)
    if log.sampler is not None and not log.sampler.admits(level, record.name, kind, fields):
        return
    log.emit(level, message, record.name, record.created, fields, more)


def extras(record: logging.LogRecord) -> Event:
    """Return what came with `extra`: the attributes after those that every record begins with."""
    found = record.__dict__
    if len(found) == _ATTRIBUTES:
        return {}
    fields = dict(islice(found.items(), _ATTRIBUTES, None))
    if not _STANDARD.isdisjoint(fields):
        fields = {key: value for key, value in fields.items() if key not in _STANDARD}
    return fields


def _message(record: logging.LogRecord, fields: Event) -> str:
    """Return the message; arguments that do not fit into it become a field."""
    message = record.msg
    if type(message) is str and not record.args and message[-1:] != "\n":
        return message
    if record.args:
        message, unfit = formatted(record.msg, record.args)
        fields.update(unfit)
    else:
        message = text(message)
    return message.rstrip("\n") if message.endswith("\n") else message


def _details(record: logging.LogRecord, level: int) -> Details | None:
    """Return the place for what is worth looking up, and the exception or stack if there is one."""
    error, stack = _error_of(record.exc_info), record.stack_info or ""
    if error is None and record.exc_text:  # what a formatter has made of it
        stack = f"{record.exc_text}\n{stack}" if stack else record.exc_text
    if level < _WARNING and error is None and not stack:
        return None
    location = SourceLocation(record.pathname, record.lineno, record.funcName or "")
    return Details(location if level >= _WARNING else None, error, stack)


def _error_of(info: object) -> BaseException | None:
    """Return the exception in what a record has as exc_info."""
    error = info[1] if isinstance(info, tuple) and len(info) > 1 else info
    return error if isinstance(error, BaseException) else None
