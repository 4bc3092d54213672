"""What is under way in this worker: requests, streams, WebSockets and named background tasks.

Each piece of work is one `Work` in one set; the drain ends when the set is empty, and the stuck
report is drawn from what is still in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import Any, Final

from podready.runtime.tracing.context import (
    TraceContext,
    begin_trace,
    callers_span,
    continue_trace,
)
from podready.runtime.tracing.headers import REQUEST_ID, UNKNOWN, headers_read
from podready.runtime.tracing.ids import new_id

Scope = MutableMapping[str, Any]

_SDK: Final = "opentelemetry.sdk.trace"
_LONGEST_ID: Final = 128


class Kind(StrEnum):
    """What sort of work it is."""

    REQUEST = "request"
    STREAM = "stream"  # text/event-stream: ended by us when closing
    WEBSOCKET = "websocket"
    TASK = "task"  # podready.track("name")


class Work:
    """One piece of work under way."""

    __slots__ = (
        "_id",
        "_trace",
        "end",
        "ended",
        "gone",
        "kind",
        "name",
        "route",
        "said",
        "scope",
        "started",
        "task",
        "thread",
    )

    def __init__(self, kind: Kind, scope: Scope | None = None, name: str = "") -> None:
        self.kind = kind
        self.scope = scope
        self.name = name
        self.route = ""  # where only the app's framework can tell it; see `route`
        self.said = UNKNOWN if scope is None else headers_read(scope.get("headers"))
        self._id = ""
        self._trace: TraceContext | None = None
        self.started = time.monotonic()
        self.task: asyncio.Task[Any] | None = None
        self.thread: int | None = None
        self.end: Callable[[], Awaitable[None]] | None = None
        self.ended = False  # by us, when the pod closes
        self.gone = False  # its client is

    @property
    def over(self) -> bool:
        """Whether nobody reads what the app still sends."""
        return self.ended or self.gone

    @property
    def multiplexed(self) -> bool:
        """Whether it came over HTTP/2 or later, where `Connection` is forbidden (RFC 9113)."""
        version = self.scope.get("http_version", "") if self.scope is not None else ""
        return bool(version.startswith(("2", "3")))

    @property
    def request_id(self) -> str:
        """The caller's X-Request-ID when it is short and printable, else a new one."""
        if not self._id:
            self._id = _safe(self.said.get(REQUEST_ID, b"")) or new_id()
        return self._id

    @property
    def trace(self) -> TraceContext | None:
        """The span that this work is, in its caller's trace or in one that begins here.

        None where nothing is known of the caller, and where only the app's own OpenTelemetry SDK
        knows: ids that we made up would contradict its spans.
        """
        if self._trace is None and self.said is not UNKNOWN:
            if _SDK in sys.modules:
                return self._trace_beside_sdk()
            caller = callers_span(self.said) if self.said else None
            self._trace = begin_trace() if caller is None else continue_trace(caller)
        return self._trace

    def join(self, trace: TraceContext) -> None:
        """Be this span from now on: podready's own tracing records it."""
        self._trace = trace

    def _trace_beside_sdk(self) -> TraceContext | None:
        from podready.runtime.tracing.app_sdk import app_traces, current_span

        span = current_span()
        if span is not None:
            return span
        caller = callers_span(self.said)
        if caller is not None:
            self._trace = continue_trace(caller)
        elif not app_traces():
            self._trace = begin_trace()
        return self._trace

    def log_fields(self) -> dict[str, object]:
        """Return the ids that every log line of this work gets."""
        fields: dict[str, object] = {"request_id": self.request_id}
        trace = self.trace
        return fields if trace is None else fields | trace.log_fields()

    @property
    def title(self) -> str:
        """What people call it: `GET /slow`, `websocket /echo`, or a task's own name."""
        if self.scope is None:
            return self.name
        return f"{self.scope.get('method', self.kind)} {self.scope.get('path', '')}"


def task_finder(loop: asyncio.AbstractEventLoop) -> Callable[[], asyncio.Task[Any] | None]:
    """Return a cheap `asyncio.current_task` for a process in which `loop` is the only one.

    Before Python 3.12 asyncio's own is not in C, and asks the kernel for the process id each time;
    what it then looks up is the same table.
    """
    if sys.version_info >= (3, 12):
        return asyncio.current_task
    from asyncio.tasks import _current_tasks  # type: ignore[attr-defined]

    return partial(_current_tasks.get, loop)


def _safe(given: bytes) -> str:
    """Return the id as text, or "" when it is longer than 128 characters or not printable."""
    text = given.decode("ascii", "replace") if len(given) <= _LONGEST_ID else ""
    return text if text.isascii() and text.isprintable() else ""


class InFlight:
    """The set of all work under way in this process."""

    def __init__(self) -> None:
        self.works: set[Work] = set()
        self._empty: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, work: Work) -> None:
        """Count `work` in."""
        self.works.add(work)

    def discard(self, work: Work) -> None:
        """Count `work` out."""
        self.works.discard(work)
        if not self.works:
            self.emptied()

    def emptied(self) -> None:
        """Tell those who wait for it that nothing is under way."""
        if self._empty is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._empty.set)

    def count(self, *kinds: Kind) -> int:
        """Return how much work is under way, of these kinds or of all."""
        if not kinds:
            return len(self.works)
        return sum(work.kind in kinds for work in tuple(self.works))

    async def until_empty(self) -> None:
        """Return once nothing is under way."""
        self._loop = asyncio.get_running_loop()
        while self.works:
            self._empty = asyncio.Event()
            if self.works:  # a thread may have emptied it between the two lines
                await self._empty.wait()

    def forget_loop(self) -> None:
        """Tell nobody any more: the event loop that waited is over."""
        self._empty = self._loop = None


managed = False
"""Whether `podready run` serves the app; set in its workers, read by `podready.wrap`."""

IN_FLIGHT = InFlight()
"""This process's work: the wrapper, `podready.track` and the drain meet here."""

CURRENT: contextvars.ContextVar[Work | None] = contextvars.ContextVar("podready_work", default=None)
"""The work that the running code belongs to; logs read the request id from it."""


@contextmanager
def track(name: str) -> Iterator[None]:
    """Count the block as work in flight, named `name` in the stuck report and in /tasks.

    For work that no request waits for: a queue consumer's message, a scheduled job. The stop
    waits for it until the deadline. Works in coroutines and in threads.
    """
    work = Work(Kind.TASK, name=name)
    try:
        work.task = asyncio.current_task()
    except RuntimeError:  # not in an event loop: a thread
        work.thread = threading.get_ident()
    IN_FLIGHT.add(work)
    try:
        yield
    finally:
        IN_FLIGHT.discard(work)
