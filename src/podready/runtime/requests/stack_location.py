"""Where a piece of work stands: its route, age, request id and the line of code it waits at."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.requests.inflight import CURRENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from podready.runtime.requests.inflight import InFlight, Work

_MACHINERY: Final = ("site-packages", "dist-packages", "/lib/python", "<frozen", "podready/runtime")
_DEEPEST: Final = 8
"""Task groups inside task groups are followed this far."""


def describe(work: Work) -> dict[str, Any]:
    """Return the facts about `work` as the stuck report and /tasks show them."""
    facts: dict[str, Any] = {
        "kind": work.kind,
        "title": work.title,
        "age": round(time.monotonic() - work.started, 3),
        "at": code_line(work),
    }
    if work.scope is not None:
        facts["request_id"] = work.request_id
        route = route_of(work)
        if route:
            facts["route"] = route
    return facts


def oldest(inflight: InFlight, age: float, most: int) -> list[Work]:
    """Return up to `most` pieces of work that are older than `age` seconds, the oldest first."""
    born_before = time.monotonic() - age
    works = [work for work in tuple(inflight.works) if work.started < born_before]
    return sorted(works, key=lambda work: work.started)[:most]


def route_of(work: Work) -> str:
    """Return the route's pattern as Starlette and FastAPI leave it in the scope, or ""."""
    route = (work.scope or {}).get("route")
    return str(getattr(route, "path", "") or "")


def code_line(work: Work) -> str:
    """Return `file:line in function` of the app's own code where `work` stands.

    For a coroutine that is the innermost await of the app, also inside task groups; for a
    sync endpoint or a WSGI app it is where its thread is.
    """
    places: list[str] = []
    if work.task is not None:
        places = list(_await_places(work.task.get_coro(), _DEEPEST))
    thread = work.thread if work.thread is not None else _thread_of(work)
    if thread is not None:
        places += _frame_places(sys._current_frames().get(thread))
    own = [place for place in places if not any(mark in place for mark in _MACHINERY)]
    return (own or places or ["an unknown place"])[-1]


def thread_line(thread: int) -> str:
    """Return the line of the app's own code where a thread stands, and the innermost one."""
    places = _frame_places(sys._current_frames().get(thread))
    own = [place for place in places if not any(mark in place for mark in _MACHINERY)]
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


def _thread_of(work: Work) -> int | None:
    """Return the thread that runs a sync part of `work` (anyio's or asyncio's to_thread)."""
    ours = threading.get_ident()  # the event loop's: it runs this report and no work
    for thread, innermost in sys._current_frames().items():
        frame: FrameType | None = innermost if thread != ours else None
        while frame is not None:
            context = _context_of(frame)
            if context is not None and context.get(CURRENT) is work:
                return thread
            frame = frame.f_back
    return None


def _context_of(frame: FrameType) -> contextvars.Context | None:
    """Return the context that a worker thread's frame runs a function in.

    anyio's WorkerThread.run keeps it in `context`; a concurrent.futures work item has it as
    the owner of `fn`, which is `partial(context.run, function)`.
    """
    if frame.f_code.co_name != "run":
        return None
    names = frame.f_locals
    function = getattr(getattr(names.get("self"), "fn", None), "func", None)
    for found in (names.get("context"), getattr(function, "__self__", None)):
        if isinstance(found, contextvars.Context):
            return found
    return None


def _attribute(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)


def _place(code: CodeType, line: int) -> str:
    return f"{code.co_filename}:{line} in {code.co_qualname}"
