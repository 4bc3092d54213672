"""The access line: one for each served request; lines of one turn of the event loop go together."""

from __future__ import annotations

import time
from asyncio import _get_running_loop
from typing import TYPE_CHECKING, Final, Protocol

from podready.contract import LIVEZ, READYZ, STARTUPZ
from podready.runtime.logs.log import LOG

if TYPE_CHECKING:
    from podready.runtime.logs.formats.parts import ServedRequest
    from podready.runtime.logs.log import Log
    from podready.runtime.logs.values import Event

LOGGER: Final = "podready.access"
PROBE_PATHS: Final = frozenset({LIVEZ, READYZ, STARTUPZ, "/healthz", "/health", "/metrics"})
SLOW_PROBE: Final = 1.0
"""Seconds after which a probe gets its line: the kubelet's default timeoutSeconds."""

_PROBERS: Final = ("kube-probe/", "GoogleHC/", "ELB-HealthChecker/")
_ERROR: Final = 40
_INFO: Final = 20


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
        """Whether the trace is recorded."""


class AccessLog:
    """Writes the lines of served requests to a log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._filter = log.levels.filter(LOGGER)

    def log_request(
        self, request: ServedRequest, request_id: str = "", trace: Trace | None = None
    ) -> None:
        """Log one served request, unless it is a probe that passed in time.

        Answers of 500 and more are errors, all others are information.
        """
        level = _ERROR if request.status >= 500 else _INFO
        if level < self._filter.level or is_quiet_probe(request):
            return
        fields: Event = {"request_id": request_id} if request_id else {}
        if trace is not None:
            fields["trace_id"], fields["span_id"] = trace.trace_id, trace.span_id
            fields["trace_sampled"] = trace.sampled
        log = self._log
        if log.sampler is not None and not log.sampler.admits(level, LOGGER, kind(request), fields):
            return
        line = log.line(level, title(request), LOGGER, time.time(), fields, request)
        writer = log.writer or log.ready()
        if level == _ERROR:
            writer.write(line, level)
        else:  # with the other lines of this turn of the event loop, or at once in a thread
            writer.write_soon(line, _get_running_loop)


def title(request: ServedRequest) -> str:
    """Return the message of a request's line."""
    return f"{request.method} {request.path} {request.status}"


def kind(request: ServedRequest) -> str:
    """Return what makes lines of requests equal for the sampler."""
    return f"{request.method} {request.status // 100}xx"


def is_quiet_probe(request: ServedRequest) -> bool:
    """Say whether this was a probe that passed, and in time as far as that is known."""
    if not 200 <= request.status < 300:
        return False
    probe = request.path in PROBE_PATHS or request.user_agent.startswith(_PROBERS)
    return probe and (request.seconds is None or request.seconds < SLOW_PROBE)


log_request: Final = AccessLog(LOG).log_request
"""Logs to the process's log."""
