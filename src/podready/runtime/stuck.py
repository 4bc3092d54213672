"""Where a piece of work stands: its route, age, request id and the line of code it waits at."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from podready.runtime.inflight import Work

_MACHINERY = ("site-packages", "dist-packages", "/lib/python", "<frozen", "podready/runtime")


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


def route_of(work: Work) -> str:
    """Return the route's pattern as Starlette and FastAPI leave it in the scope, or ""."""
    route = (work.scope or {}).get("route")
    return str(getattr(route, "path", "") or "")


def code_line(work: Work) -> str:
    """Return `file:line in function` of the app's own code where `work` stands."""
    if work.thread is not None:
        frame = sys._current_frames().get(work.thread)
        places = _thread_places(frame)
    elif work.task is not None:
        places = _await_places(work.task.get_coro())
    else:
        places = []
    own = [place for place in places if not any(mark in place for mark in _MACHINERY)]
    return (own or places or ["an unknown place"])[-1]


def _thread_places(frame: FrameType | None) -> list[str]:
    places = []
    while frame is not None:
        places.append(_place(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return places[::-1]


def _await_places(awaited: Any) -> list[str]:
    """Return the places of a suspended coroutine, outermost first, through what it awaits."""
    places = []
    while awaited is not None:
        frame = _attribute(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            places.append(_place(frame.f_code, frame.f_lineno))
        awaited = _attribute(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    return places


def _attribute(thing: Any, *names: str) -> Any:
    return next((getattr(thing, name) for name in names if hasattr(thing, name)), None)


def _place(code: CodeType, line: int) -> str:
    return f"{code.co_filename}:{line} in {code.co_qualname}"
