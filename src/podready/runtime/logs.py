"""Logs as an event stream on stdout: one JSON object a line, or readable lines at a terminal.

`configure` is the one line an app needs (`podready run` calls it by itself); from then on
`logging.getLogger(...)` of the app, its libraries and its server all come out in the same form:

    {"severity":"INFO","message":"paid","time":"2026-11-23T01:23:45.123456Z","logger":"shop","order":42}

`severity`, `message`, `time`, `httpRequest` and `stack_trace` are the names Cloud Logging reads.
This module imports neither asyncio nor logging, because PID 1 speaks through `log_event`.
"""

from __future__ import annotations

import atexit
import os
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

from podready.contract import ENV_PREFIX, LIVEZ, READYZ, STARTUPZ
from podready.runtime.log_encoder import Event, encode
from podready.runtime.log_severity import LEVELS, level_of
from podready.runtime.log_time import rfc3339
from podready.runtime.log_writer import FLUSH_SECONDS, LogWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Format = Literal["auto", "gcp", "console"]

ENV_FORMAT: Final = f"{ENV_PREFIX}LOG_FORMAT"
ENV_LEVEL: Final = f"{ENV_PREFIX}LOG_LEVEL"
ENV_ON_STALL: Final = f"{ENV_PREFIX}LOG_ON_STALL"

PROBE_PATHS: Final = frozenset({LIVEZ, READYZ, STARTUPZ, "/healthz", "/health", "/metrics"})
_PROBERS: Final = ("kube-probe/", "GoogleHC/", "ELB-HealthChecker/")
_RESERVED: Final = frozenset({"severity", "message", "time", "logger", "stack_trace"})

context: ContextVar[Mapping[str, object] | None] = ContextVar("podready_log_context", default=None)
"""Fields of the request under way (request_id, trace_id); every line gets them."""


class Access(TypedDict, total=False):
    """One served request, as the app's wrapper saw it."""

    method: str
    path: str  # without the query string, which may carry secrets
    status: int
    size: int  # bytes of the answer's body
    seconds: float
    client: str  # address of the peer
    user_agent: str
    protocol: str  # "HTTP/1.1"
    request_id: str


class _Output:
    """Where lines go and how they look; one for each process."""

    def __init__(self) -> None:
        self.level = 20
        self.render: Callable[[Event], bytes] = encode
        self.writer: LogWriter | None = None

    def open(self, format_: str, level: str | int) -> LogWriter:
        """Choose the form of the lines and take hold of stdout."""
        self.level = level_of(os.environ.get(ENV_LEVEL) or level)
        self.render = _renderer(format_)
        if self.writer is None:
            block = os.environ.get(ENV_ON_STALL, "").lower() == "block"
            self.writer = LogWriter(1, _losses, block=block)
            atexit.register(flush)
        return self.writer

    def emit(self, event: Event, level: int) -> None:
        """Write one event, with the fields of the request under way."""
        for key, value in (context.get() or {}).items():
            event.setdefault(key, value)
        (self.writer or self.open("auto", "INFO")).write(self.render(event), level)


_output = _Output()


def configure(format: Format = "auto", level: str | int = "INFO") -> None:  # noqa: A002
    """Send all logs of this process to stdout in one form; may be called again.

    `format` is `gcp` (JSON in Cloud Logging's words), `console` (readable) or `auto`: console at
    a terminal, else gcp. PODREADY_LOG_FORMAT and PODREADY_LOG_LEVEL win over the arguments. The
    root logger's handlers and those of servers are replaced; warnings and uncaught exceptions of
    any thread come in the same form. ValueError for a format or level that does not exist.
    """
    from podready.runtime.log_capture import capture
    from podready.runtime.log_encoder import use_orjson

    use_orjson()
    _output.open(format, level)
    capture(_output.emit, _output.level)


def select(format: Format = "auto", level: str | int = "INFO") -> None:  # noqa: A002
    """Choose format and level for `log_event` only: for PID 1, which runs no user code."""
    _output.open(format, level)


def log_event(severity: str, message: str, /, **fields: object) -> None:
    """Log one event without the standard library's logging; never blocks, never raises.

    `severity` is one of Cloud Logging's words; a field named as one of our keys becomes `key_`.
    """
    level = LEVELS.get(severity, 20)
    if level < _output.level:
        return
    event: Event = {"severity": severity, "message": message, "time": rfc3339(time.time())}
    event["logger"] = "podready"
    for key, value in fields.items():
        event[f"{key}_" if key in _RESERVED and key != "stack_trace" else key] = value
    _output.emit(event, level)


def access(**request: Unpack[Access]) -> None:
    """Log one served request with Cloud Logging's `httpRequest`; quiet about probes that passed.

    Answers of 500 and more are errors, all others are information.
    """
    status = request.get("status", 0)
    if _output.level > 20 and status < 500:
        return
    if 200 <= status < 300 and _is_probe(request.get("path", ""), request.get("user_agent", "")):
        return
    level = 40 if status >= 500 else 20
    path = request.get("path", "").partition("?")[0]
    event: Event = {
        "severity": "ERROR" if level == 40 else "INFO",
        "message": f"{request.get('method', '')} {path} {status}",
        "time": rfc3339(time.time()),
        "logger": "podready.access",
        "httpRequest": _http_request(request, path),
    }
    if request.get("request_id"):
        event["request_id"] = request["request_id"]
    _output.emit(event, level)


def flush(seconds: float = FLUSH_SECONDS) -> None:
    """Wait up to `seconds` until every line is out; say on stderr what is lost to a stall."""
    writer = _output.writer
    lost = writer.flush(seconds) if writer else 0
    if lost and writer and not writer.closed:
        stderr = LogWriter(2, _losses, backlog_bytes=4096)
        stderr.write(f"podready: {lost} log lines lost: nobody reads stdout\n".encode(), 30)


def is_configured() -> bool:
    """Say whether this process has chosen where its lines go."""
    return _output.writer is not None


def dropped_lines() -> int:
    """Return how many lines this process has dropped so far."""
    return _output.writer.dropped if _output.writer else 0


def _renderer(format_: str) -> Callable[[Event], bytes]:
    wanted = os.environ.get(ENV_FORMAT) or format_
    if wanted == "auto":
        wanted = "console" if os.isatty(1) else "gcp"
    if wanted == "gcp":
        return encode
    if wanted != "console":
        raise ValueError(f"{wanted!r} is not a log format: use auto, gcp or console")
    from podready.runtime.log_console import console_format

    return console_format(1)


def _losses(count: int) -> bytes:
    """Return the line that tells how many lines are missing from the log."""
    stamp = rfc3339(time.time())
    event: Event = {"severity": "WARNING", "message": "log lines dropped", "time": stamp}
    return _output.render({**event, "logger": "podready", "dropped": count})


def _is_probe(path: str, user_agent: str) -> bool:
    return path in PROBE_PATHS or user_agent.startswith(_PROBERS)


def _http_request(request: Access, path: str) -> Event:
    """Return LogEntry.httpRequest: sizes as strings, latency in seconds with an `s`."""
    fields: Event = {
        "requestMethod": request.get("method", ""),
        "requestUrl": path,
        "status": request.get("status", 0),
        "responseSize": str(request.get("size", 0)),
        "latency": f"{request.get('seconds', 0.0):.6f}s",
    }
    if request.get("client"):
        fields["remoteIp"] = request["client"]
    if request.get("user_agent"):
        fields["userAgent"] = request["user_agent"]
    if request.get("protocol"):
        fields["protocol"] = request["protocol"]
    return fields
