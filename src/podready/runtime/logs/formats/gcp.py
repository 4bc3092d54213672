"""Format `gcp`: the names that Cloud Logging and Error Reporting read from a line of JSON.

https://cloud.google.com/logging/docs/structured-logging and, for httpRequest,
https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#HttpRequest. It is the default
in a container: `severity`, `message` and `time` are what most collectors look for anyway.

A line is put together as text: its head is a few pieces that were encoded once, the fields are
encoded as they came, so no dictionary is copied, and the details follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from podready.runtime.logs.formats.parts import Details, ServedRequest
from podready.runtime.logs.formats.timestamp import NO_SECOND, THOUSAND, second_of
from podready.runtime.logs.values import Event, plain
from podready.runtime.severity import severity_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.runtime.logs.encoder import Dumps
    from podready.runtime.logs.formats.parts import More
    from podready.runtime.logs.formats.service import Service

_PREFIX: Final = "logging.googleapis.com/"
LABELS: Final = f"{_PREFIX}labels"
TRACE: Final = f"{_PREFIX}trace"
SPAN: Final = f"{_PREFIX}spanId"
SAMPLED: Final = f"{_PREFIX}trace_sampled"
LOCATION: Final = f"{_PREFIX}sourceLocation"
SERVICE_CONTEXT: Final = "serviceContext"

SPECIAL: Final = frozenset({LABELS, TRACE, SPAN, SAMPLED, LOCATION, SERVICE_CONTEXT})
"""Names that an app may use; where podready writes one too, the app's is merged or renamed."""

RESERVED: Final = frozenset({"severity", "message", "time", "logger", "stack_trace", "httpRequest"})
"""Names that a field of the app may not have."""

_MAX_LOGGERS: Final = 4096
_THOUSAND: Final = tuple(text.encode() for text in THOUSAND)
_ERROR: Final = 40

Compose = Callable[[int, str, str, float, bytes, "More"], bytes]
"""level, message, logger, Unix time, encoded fields without their first brace, details -> line."""

_MAX_LEVEL: Final = 100
_BEGINS: Final = {
    level: f'{{"severity":"{severity_of(level)}","message":'.encode()
    for level in range(_MAX_LEVEL + 1)
}


class GcpFormat:
    """The lines of one service."""

    def __init__(self, service: Service) -> None:
        self._labels = service.named("service", "version", "env")
        self._context = service.named("service", "version") if service.name else {}
        self.traces = f"projects/{service.project}/traces/" if service.project else ""
        labels = f',"{LABELS}":{json.dumps(self._labels)}' if self._labels else ""
        self._labels_json = labels.encode()

    def __call__(
        self,
        level: int,
        message: str,
        logger: str,
        seconds: float,
        fields: Event,
        more: More,
        dumps: Dumps,
    ) -> bytes:
        """Return one line; raises for values that `dumps` does not take."""
        labels, written = self._labels_json, self._special_names(level, more)
        app_labels = fields.get(LABELS)
        if self._labels and isinstance(app_labels, dict):
            fields = {**fields, LABELS: {**self._labels, **app_labels}}
            labels = b""
            written.discard(LABELS)
        if not SPECIAL.isdisjoint(fields):
            fields = _without(fields, written)
        if self.traces and "trace_id" in fields:
            trace = self.named_trace(fields)
            fields = {**_without(fields, trace), **trace}
        rest = dumps(fields, plain)[1:] if fields else b"}"
        compose = self.composer(dumps, labels)
        return compose(min(max(level, 0), _MAX_LEVEL), message, logger, seconds, rest, more)

    def named_trace(self, fields: Event) -> Event:
        """Return the trace of the fields by Cloud Trace's names, to stand beside the bare ids."""
        trace_id = fields["trace_id"]
        if not isinstance(trace_id, str):
            return {}  # a field of the app that happens to have this name
        names = {SPAN: "span_id", SAMPLED: "trace_sampled"}
        named = {key: fields[name] for key, name in names.items() if name in fields}
        return {TRACE: f"{self.traces}{trace_id}", **named}

    def _special_names(self, level: int, more: More) -> set[str]:
        """Return the special names that are written beside the fields of a line."""
        names = {LABELS} if self._labels else set()
        if isinstance(more, Details):
            names |= {LOCATION} if more.location is not None else set()
            is_failure = level >= _ERROR and (more.error is not None or more.stack)
            names |= {SERVICE_CONTEXT} if self._context and is_failure else set()
        return names

    def composer(self, dumps: Dumps, labels: bytes | None = None) -> Compose:
        """Return the function that puts lines together; it takes levels from 0 to 100.

        This is the innermost loop of the log: what it needs is at hand as a local name, and a
        common line calls nothing but C.
        """
        ending = self._labels_json if labels is None else labels
        loggers: dict[str, bytes] = {}
        begins, details = _BEGINS, self._details
        present = (NO_SECOND[0], b"")

        def compose(
            level: int, message: str, logger: str, seconds: float, fields: bytes, more: More
        ) -> bytes:
            nonlocal present
            begin, time = present
            micros = int(seconds * 1_000_000) - begin
            if not 0 <= micros < 1_000_000:
                begin, time = present = _second(seconds)
                micros = int(seconds * 1_000_000) - begin
            return b"".join(
                (
                    begins[level],
                    dumps(message),
                    time,
                    _THOUSAND[micros // 1000],
                    _THOUSAND[micros % 1000],
                    loggers.get(logger) or named(logger),
                    b"," if len(fields) > 1 else b"",
                    fields if more is None else details(level, fields, more, dumps),
                    b"\n",
                )
            )

        def named(logger: str) -> bytes:
            """Return the end of the time, the logger and the labels; keep them for later."""
            end = b'Z","logger":' + dumps(logger) + ending
            if len(loggers) < _MAX_LOGGERS:
                loggers[logger] = end
            return end

        return compose

    def _details(
        self, level: int, fields: bytes, more: Details | ServedRequest, dumps: Dumps
    ) -> bytes:
        """Return the encoded fields with the details behind them."""
        if isinstance(more, ServedRequest):
            return fields[:-1] + http_request(more, dumps) + b"}"
        objects: Event = {}
        if more.location is not None:
            file, line, function = more.location
            objects[LOCATION] = {"file": file, "line": str(line), "function": function}
        if stack := more.stack_trace():
            objects["stack_trace"] = stack
            if level >= _ERROR and self._context:
                objects[SERVICE_CONTEXT] = self._context
        if not objects:
            return fields
        return fields[:-1] + b"," + dumps(objects, plain)[1:]


def http_request(request: ServedRequest, dumps: Dumps) -> bytes:
    """Return LogEntry.httpRequest with its name: the size as a string, the latency as `0.5s`."""
    method, path, status, size, seconds, client, agent, protocol = request
    return b',"httpRequest":{"requestMethod":%b,"requestUrl":%b,"status":%d%b%b%b%b%b}' % (
        dumps(method),
        dumps(path),
        status,
        b"" if size is None else b',"responseSize":"%d"' % size,
        b"" if seconds is None else b',"latency":"%.6fs"' % seconds,
        b',"remoteIp":' + dumps(client) if client else b"",
        b',"userAgent":' + dumps(agent) if agent else b"",
        b',"protocol":' + dumps(protocol) if protocol else b"",
    )


def _without(fields: Event, names: Iterable[str]) -> Event:
    """Return the fields without these names; what the app has there is moved to `name_`."""
    moved = dict(fields)
    for name in names:
        if name in moved:
            free = f"{name}_"
            while free in moved:
                free += "_"
            moved[free] = moved.pop(name)
    return moved


def _second(seconds: float) -> tuple[int, bytes]:
    begin, text = second_of(seconds)
    return begin, f',"time":"{text}'.encode()


formatter = GcpFormat
