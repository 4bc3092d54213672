"""The standard library's log records as lines: one handler for every library and server."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.encoder import Event, text
from podready.runtime.logs.shape import Details, Request, Source

if TYPE_CHECKING:
    from podready.runtime.logs.output import Output

_STANDARD: Final = frozenset(
    {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
) | {"color_message"}  # uvicorn's second copy of the message, with terminal colours in it

_ATTRIBUTES: Final = len(logging.makeLogRecord({}).__dict__)
"""How many attributes a record has at birth; dictionaries keep the order of insertion."""

_UVICORN_ACCESS: Final = "uvicorn.access"
_WARNING: Final = 30


class RecordHandler(logging.Handler):
    """Turns records into lines; no formatter, no lock of its own: the writer has one."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """Own no lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Emit one record if this handler's filters let it through."""
        if self.filters:
            found: Any = self.filter(record)
            if not found:
                return False
            if isinstance(found, logging.LogRecord):
                record = found
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; never raises."""
        output, level = self._output, record.levelno
        if (
            level >= _WARNING
            or record.exc_info
            or record.exc_text
            or record.stack_info
            or output.sampler is not None
            or record.name == _UVICORN_ACCESS
        ):
            _emit_with_details(output, record)
            return
        line = output.plain_line(
            level, _message(record), record.name, record.created, extras(record)
        )
        (output.writer or output.ready()).write(line, level)


def _emit_with_details(output: Output, record: logging.LogRecord) -> None:
    fields = extras(record)
    if output.sampler is not None:
        suppressed = output.sampler.passes(record.levelno, record.name, record.msg)
        if suppressed < 0:
            return
        if suppressed:
            fields["suppressed"] = suppressed
    message, more = _message(record), _details(record)
    if record.name == _UVICORN_ACCESS:
        message, more = _uvicorn_access(record.args, message, more)
    output.emit(record.levelno, message, record.name, record.created, fields, more)


def extras(record: logging.LogRecord) -> Event:
    """Return what came with `extra`: the attributes after those that every record begins with."""
    found = record.__dict__
    if len(found) == _ATTRIBUTES:
        return {}
    fields = dict(islice(found.items(), _ATTRIBUTES, None))
    if not _STANDARD.isdisjoint(fields):
        fields = {key: value for key, value in fields.items() if key not in _STANDARD}
    return fields


def _message(record: logging.LogRecord) -> str:
    message = record.msg
    if type(message) is str and not record.args and message[-1:] != "\n":
        return message
    try:
        message = record.getMessage() if record.args else str(record.msg)
    except Exception as error:  # noqa: BLE001 - arguments that do not fit, or a failing __str__
        return f"{text(record.msg)} (arguments do not fit: {type(error).__name__})"
    return message.rstrip("\n") if message.endswith("\n") else message


def _details(record: logging.LogRecord) -> Details | None:
    """Return the place for what is worth looking up, and the exception or stack if there is one."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    stack = record.exc_text or record.stack_info or ""
    if record.levelno < _WARNING and error is None and not stack:
        return None
    source = Source(record.pathname, record.lineno, record.funcName or "")
    return Details(source if record.levelno >= _WARNING else None, error, stack)


def _uvicorn_access(args: Any, message: str, more: Details | None) -> tuple[str, Details | None]:
    """Give uvicorn's own access line the fields of ours."""
    if not isinstance(args, tuple) or len(args) != 5:
        return message, more
    client, method, path, version, status = args
    request = Request(
        method=str(method),
        path=str(path).partition("?")[0],
        status=status,
        client=str(client).rpartition(":")[0],
        protocol=f"HTTP/{version}",
    )
    return f"{method} {request.path} {status}", Details(request=request)
