"""The access line: one for each served request, written by hand because there are so many.

In format gcp the line is put together as text; only what came from the client (path, user agent,
request id) may hold characters that JSON escapes, and one regular expression sees whether it does.
Then it takes the same road as every other line. Lines of one turn of the event loop are written
together.
"""

from __future__ import annotations

import re
import time
from asyncio import _get_running_loop
from typing import TYPE_CHECKING, Final, Protocol

from podready.runtime.logs.formats.gcp import SAMPLED, SPAN, TRACE
from podready.runtime.logs.formats.shape import Details, Request
from podready.runtime.logs.formats.timestamp import rfc3339
from podready.runtime.logs.levels import LEVELS
from podready.runtime.logs.output import OUTPUT
from podready.runtime.logs.quiet import is_quiet

if TYPE_CHECKING:
    from podready.runtime.logs.values import Event

LOGGER: Final = "podready.access"
_PLAIN: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*").fullmatch
_LONGEST_PLAIN: Final = 2000
_gate = LEVELS.gate(LOGGER)


class Trace(Protocol):
    """The trace that a request is part of."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""

    @property
    def sampled(self) -> bool:
        """Whether somebody records it."""


def log_request(request: Request, request_id: str = "", trace: Trace | None = None) -> None:
    """Log one served request; quiet about probes that passed in time.

    Answers of 500 and more are errors, all others are information.
    """
    status = request.status
    level = 40 if status >= 500 else 20
    if level < _gate.level:
        return
    if is_quiet(request):
        return
    if level == 20 and OUTPUT.is_gcp and OUTPUT.sampler is None:
        line = _by_hand(request, request_id, trace)
        if line:
            _write(line)
            return
    _log(level, request, request_id, trace)


def _by_hand(request: Request, request_id: str, trace: Trace | None = None) -> bytes:
    """Return the line, or nothing when a part of it needs escaping or cutting."""
    method, path, status, size, seconds, client, agent, protocol = request
    trace_id, span_id = (trace.trace_id, trace.span_id) if trace is not None else ("", "")
    given = f"{method}{path}{client}{agent}{request_id}{trace_id}{span_id}"
    if len(given) > _LONGEST_PLAIN or not _PLAIN(given) or ("@" in given and "://" in given):
        return b""
    ids = "" if trace is None else _ids(trace_id, span_id, "true" if trace.sampled else "false")
    return (
        f'{{"severity":"INFO","message":"{method} {path} {status}","time":"{rfc3339(time.time())}"'
        f',"logger":"podready.access","request_id":"{request_id}"{ids}{OUTPUT.labels_text}'
        f',"httpRequest":{{"requestMethod":"{method}","requestUrl":"{path}","status":{status}'
        f',"responseSize":"{size}","latency":"{seconds:.6f}s","remoteIp":"{client}"'
        f',"userAgent":"{agent}","protocol":"{protocol}"}}}}\n'
    ).encode()


def _ids(trace_id: str, span_id: str, sampled: str) -> str:
    """Return the ids of a trace and, with a project, their names in Cloud Trace."""
    ids = f',"trace_id":"{trace_id}","span_id":"{span_id}","trace_sampled":{sampled}'
    if not OUTPUT.traces_text:
        return ids
    named = f'"{TRACE}":"{OUTPUT.traces_text}{trace_id}","{SPAN}":"{span_id}","{SAMPLED}":{sampled}'
    return f"{ids},{named}"


def _log(level: int, request: Request, request_id: str, trace: Trace | None) -> None:
    fields: Event = {"request_id": request_id} if request_id else {}
    if trace is not None:
        fields["trace_id"], fields["span_id"] = trace.trace_id, trace.span_id
        fields["trace_sampled"] = trace.sampled
    message = f"{request.method} {request.path} {request.status}"
    if OUTPUT.sampler is not None:
        kind = f"{request.method} {request.status // 100}xx"
        suppressed = OUTPUT.sampler.passes(level, LOGGER, kind)
        if suppressed < 0:
            return
        if suppressed:
            fields["suppressed"] = suppressed
    more = Details(request=request)
    if level >= 40:
        OUTPUT.emit(level, message, LOGGER, time.time(), fields, more)
    else:
        _write(OUTPUT.line(level, message, LOGGER, time.time(), fields, more))


def _write(line: bytes) -> None:
    """Write with the other lines of this turn of the event loop, or at once in a thread."""
    (OUTPUT.writer or OUTPUT.ready()).write_soon(line, _get_running_loop)
