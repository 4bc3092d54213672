"""The standard library's log records as events: one handler for every library and server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from podready.runtime.log_encoder import Event, text
from podready.runtime.log_severity import severity_of
from podready.runtime.log_time import rfc3339
from podready.runtime.log_traceback import stack_trace

RESERVED: Final = frozenset({"severity", "message", "time", "logger", "stack_trace"})
"""Keys of ours; a field of the app by such a name becomes `name_`."""

_STANDARD: Final = frozenset(
    {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
) | {"color_message"}  # uvicorn's second copy of the message, with terminal colours in it

Emit = Callable[[Event, int], None]


class EventHandler(logging.Handler):
    """Turns records into events and hands them on; no formatter, no lock of its own."""

    def __init__(self, emit: Emit) -> None:
        super().__init__()
        self._emit = emit

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """Own no lock: the writer behind `emit` has one."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Emit one event; never raises."""
        self._emit(event_of(record), record.levelno)


def event_of(record: logging.LogRecord) -> Event:
    """Return the event of a record: our keys first, then what came with `extra`."""
    event: Event = {
        "severity": severity_of(record.levelno),
        "message": _message(record),
        "time": rfc3339(record.created),
        "logger": record.name,
    }
    for key, value in record.__dict__.items():
        if key not in _STANDARD:
            event[free_key(key, event)] = value
    if record.name == "uvicorn.access":
        _uvicorn_access(record.args, event)
    trace = _trace(record)
    if trace:
        event["stack_trace"] = trace
    return event


def free_key(key: str, event: Event) -> str:
    """Return the key, or `key_` where it is reserved or taken."""
    while key in RESERVED or key in event:
        key += "_"
    return key


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - arguments that do not fit, or a failing __str__
        return f"{text(record.msg)} (arguments do not fit: {type(error).__name__})"


def _trace(record: logging.LogRecord) -> str:
    """Return the stack trace: of the exception, else of `stack_info`, else nothing."""
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        return stack_trace(record.exc_info[1])
    return record.exc_text or record.stack_info or ""


def _uvicorn_access(args: Any, event: Event) -> None:
    """Give uvicorn's own access line the fields of ours."""
    if isinstance(args, tuple) and len(args) == 5:
        client, method, path, version, status = args
        event["httpRequest"] = {
            "requestMethod": method,
            "requestUrl": str(path).partition("?")[0],
            "status": status,
            "remoteIp": str(client).rpartition(":")[0],
            "protocol": f"HTTP/{version}",
        }
        event["message"] = f"{method} {event['httpRequest']['requestUrl']} {status}"
