"""Where an item in flight waits: its route, age, request id and line of code."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.requests.inflight import CURRENT
from podready.runtime.requests.route import route_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from podready.runtime.requests.inflight import InFlight, InFlightItem

_NOT_THE_APP: Final = (
    "site-packages",
    "dist-packages",
    "/lib/python",
    "<frozen",
    "podready/runtime",
)
_MAX_DEPTH: Final = 8
"""Task groups inside task groups are followed this far."""


def item_facts(item: InFlightItem) -> dict[str, Any]:
    """Return the facts about `item` as the stuck report and /tasks show them."""
    facts: dict[str, Any] = {
        "kind": item.kind,
        "title": item.title,
        "age": round(time.monotonic() - item.started, 3),
        "at": code_line(item),
    }
    if item.scope is not None:
        facts["request_id"] = item.request_id
        route = route_of(item)
        if route:
            facts["route"] = route
    return facts


MAX_SHOWN: Final = 20
"""Items in /tasks, and in the report of what was cut."""

_LONG: Final = 1.0
"""Seconds after which an item is shown in /tasks; most requests end earlier."""


def long_running(in_flight: InFlight) -> list[dict[str, Any]]:
    """Return the facts of the oldest items, for /tasks."""
    return [item_facts(item) for item in oldest(in_flight, _LONG, MAX_SHOWN)]


def oldest(in_flight: InFlight, age: float, limit: int) -> list[InFlightItem]:
    """Return up to `limit` items that are older than `age` seconds, the oldest first."""
    before = time.monotonic() - age
    old = [item for item in tuple(in_flight.items) if item.started < before]
    return sorted(old, key=lambda item: item.started)[:limit]


def code_line(item: InFlightItem) -> str:
    """Return `file:line in function` of the app's own code that `item` waits at.

    For a coroutine that is the innermost await of the app, also inside task groups; for a
    sync endpoint or a WSGI app it is where its thread is.
    """
    places: list[str] = []
    if item.task is not None:
        places = list(_await_places(item.task.get_coro(), _MAX_DEPTH))
    thread = item.thread if item.thread is not None else _thread_of(item)
    if thread is not None:
        places += _frame_places(sys._current_frames().get(thread))
    own = [place for place in places if not any(mark in place for mark in _NOT_THE_APP)]
    return (own or places or ["an unknown place"])[-1]


def thread_line(thread: int) -> str:
    """Return the innermost line of the app's own code in a thread, or of any code."""
    places = _frame_places(sys._current_frames().get(thread))
    own = [place for place in places if not any(mark in place for mark in _NOT_THE_APP)]
    return (own or places or ["an unknown place"])[-1]


def _frame_places(frame: FrameType | None) -> list[str]:
    """Return the places of a running stack, outermost first."""
    places = []
    while frame is not None:
        places.append(_place(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return places[::-1]


def _await_places(awaited: Any, depth: int) -> Iterator[str]:
    """Yield the places of a suspended coroutine, outermost first, through what it awaits."""
    frame = None
    while awaited is not None:
        inner = _attribute(awaited, "cr_frame", "gi_frame", "ag_frame")
        if inner is not None:
            frame = inner
            yield _place(frame.f_code, frame.f_lineno)
        awaited = _attribute(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    if frame is not None and depth:
        for child in _children(frame):
            yield from _await_places(child.get_coro(), depth - 1)


def _children(frame: FrameType) -> list[Any]:
    """Return the tasks of the task group (asyncio's or anyio's) that `frame` waits for."""
    group = frame.f_locals.get("self")
    tasks = getattr(group, "_tasks", None)
    return [task for task in tasks if hasattr(task, "get_coro")] if isinstance(tasks, set) else []


def _thread_of(item: InFlightItem) -> int | None:
    """Return the thread that runs a sync part of `item` (anyio's or asyncio's to_thread)."""
    own = threading.get_ident()  # the event loop's: it runs this report
    for thread, innermost in sys._current_frames().items():
        frame: FrameType | None = innermost if thread != own else None
        while frame is not None:
            context = _context_of(frame)
            if context is not None and context.get(CURRENT) is item:
                return thread
            frame = frame.f_back
    return None


def _context_of(frame: FrameType) -> contextvars.Context | None:
    """Return the context that a worker thread's frame runs a function in.

    anyio's WorkerThread.run keeps it in `context`; a concurrent.futures item item has it as
    the owner of `fn`, which is `partial(context.run, function)`.
    """
    if frame.f_code.co_name != "run":
        return None
    names = frame.f_locals
    function = getattr(getattr(names.get("self"), "fn", None), "func", None)
    for context in (names.get("context"), getattr(function, "__self__", None)):
        if isinstance(context, contextvars.Context):
            return context
    return None


def _attribute(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)


def _place(code: CodeType, line: int) -> str:
    return f"{code.co_filename}:{line} in {code.co_qualname}"
