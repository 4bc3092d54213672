"""What is in flight in this process: requests, streams, WebSockets and named background tasks.

Each is one `InFlightItem` in one set; the drain ends when the set is empty, and the stuck report
names the items that are still in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.tracing.app_sdk import app_traces, current_span
from podready.runtime.tracing.context import (
    TraceContext,
    begin_trace,
    callers_span,
    continue_trace,
    new_request_id,
)
from podready.runtime.tracing.headers import REQUEST_ID, UNKNOWN_HEADERS, relevant_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from podready.runtime.asgi_types import Scope

_SDK: Final = "opentelemetry.sdk.trace"
_MAX_ID_LENGTH: Final = 128


class ItemKind(StrEnum):
    """What an item in flight is."""

    REQUEST = "request"
    STREAM = "stream"  # text/event-stream: the drain ends it
    WEBSOCKET = "websocket"
    TASK = "task"  # podready.track("name")


class InFlightItem:
    """One request, stream, WebSocket or task in flight."""

    __slots__ = (
        "_id",
        "_trace",
        "client_gone",
        "end",
        "ended",
        "headers",
        "kind",
        "name",
        "route",
        "scope",
        "started",
        "task",
        "thread",
    )

    def __init__(self, kind: ItemKind, scope: Scope | None = None, name: str = "") -> None:
        self.kind = kind
        self.scope = scope
        self.name = name
        self.route = ""  # where only the app's framework knows it; see `route`
        self.headers = UNKNOWN_HEADERS if scope is None else relevant_headers(scope.get("headers"))
        self._id = ""
        self._trace: TraceContext | None = None
        self.started = time.monotonic()
        self.task: asyncio.Task[Any] | None = None
        self.thread: int | None = None
        self.end: Callable[[], Awaitable[None]] | None = None
        self.ended = False  # by the drain
        self.client_gone = False

    @property
    def closed(self) -> bool:
        """Whether what the app still sends reaches no client."""
        return self.ended or self.client_gone

    @property
    def multiplexed(self) -> bool:
        """Whether it came over HTTP/2 or later, where `Connection` is forbidden (RFC 9113)."""
        version = self.scope.get("http_version", "") if self.scope is not None else ""
        return bool(version.startswith(("2", "3")))

    @property
    def request_id(self) -> str:
        """The caller's X-Request-ID when it is short and printable, else a new one."""
        if not self._id:
            self._id = _printable(self.headers.get(REQUEST_ID, b"")) or new_request_id()
        return self._id

    @property
    def trace(self) -> TraceContext | None:
        """The item's own span, in its caller's trace or in a new one.

        None where the caller is unknown, and where the app's own OpenTelemetry SDK decides: made-up
        ids would contradict its spans.
        """
        if self._trace is None and self.headers is not UNKNOWN_HEADERS:
            if _SDK in sys.modules:
                return self._trace_beside_sdk()
            caller = callers_span(self.headers) if self.headers else None
            self._trace = begin_trace() if caller is None else continue_trace(caller)
        return self._trace

    def use_trace(self, trace: TraceContext) -> None:
        """Take this span as the item's own; podready's tracing records it."""
        self._trace = trace

    def _trace_beside_sdk(self) -> TraceContext | None:
        span = current_span()
        if span is not None:
            return span
        caller = callers_span(self.headers)
        if caller is not None:
            self._trace = continue_trace(caller)
        elif not app_traces():
            self._trace = begin_trace()
        return self._trace

    def log_fields(self) -> dict[str, object]:
        """Return the ids that every log line of this item gets."""
        fields: dict[str, object] = {"request_id": self.request_id}
        trace = self.trace
        return fields if trace is None else fields | trace.log_fields()

    @property
    def title(self) -> str:
        """Its name in reports: `GET /slow`, `websocket /echo`, or a task's own name."""
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


def _printable(value: bytes) -> str:
    """Return the id as text, or "" when it is longer than 128 characters or not printable."""
    text = value.decode("ascii", "replace") if len(value) <= _MAX_ID_LENGTH else ""
    return text if text.isascii() and text.isprintable() else ""


class InFlight:
    """The set of all items in flight in one process."""

    def __init__(self) -> None:
        self.items: set[InFlightItem] = set()
        self._empty: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, item: InFlightItem) -> None:
        """Count `item` in."""
        self.items.add(item)

    def discard(self, item: InFlightItem) -> None:
        """Count `item` out."""
        self.items.discard(item)
        if not self.items:
            self.notify_empty()

    def notify_empty(self) -> None:
        """Wake `wait_empty`; a caller that empties `items` by hand must call it."""
        if self._empty is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._empty.set)

    def count(self, *kinds: ItemKind) -> int:
        """Return how many items are in flight, of these kinds or of all."""
        if not kinds:
            return len(self.items)
        return sum(item.kind in kinds for item in tuple(self.items))

    def by_age(self) -> list[InFlightItem]:
        """Return all items, the oldest first."""
        return sorted(self.items, key=lambda item: item.started)

    @contextmanager
    def track(self, name: str) -> Iterator[None]:
        """Count the block as in flight, under `name` in the stuck report and in /tasks.

        For work that no request waits for: a queue consumer's message, a scheduled job. The stop
        waits for it until the deadline. Works in coroutines and in threads.
        """
        item = InFlightItem(ItemKind.TASK, name=name)
        try:
            item.task = asyncio.current_task()
        except RuntimeError:  # not in an event loop: a thread
            item.thread = threading.get_ident()
        self.add(item)
        try:
            yield
        finally:
            self.discard(item)

    async def wait_empty(self) -> None:
        """Return once nothing is in flight."""
        self._loop = asyncio.get_running_loop()
        while self.items:
            self._empty = asyncio.Event()
            if self.items:  # a thread may have emptied it between the two lines
                await self._empty.wait()

    def forget_loop(self) -> None:
        """Forget the event loop of `wait_empty`, which has ended."""
        self._empty = self._loop = None


CURRENT: Final[contextvars.ContextVar[InFlightItem | None]] = contextvars.ContextVar(
    "podready_in_flight", default=None
)
"""The item that the running code belongs to; logs read the request id from it."""


def current_log_fields() -> dict[str, object] | None:
    """Return what every log line of the current item gets; None outside of one."""
    item = CURRENT.get()
    return None if item is None else item.log_fields()
