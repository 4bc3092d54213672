"""The stuck report finds the app's own line: in coroutines, task groups and threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import anyio
import anyio.to_thread
import pytest
from tests.runtime.conftest import StartPod, eventually

from podready.runtime.requests.inflight import CURRENT, InFlight, InFlightItem, ItemKind
from podready.runtime.requests.stack_location import code_line, item_facts, oldest


async def sleeper() -> None:
    """Wait where the report has to find this line."""
    await asyncio.sleep(600)  # here


async def grouped() -> None:
    """Wait inside an anyio task group, as Starlette's streaming responses do."""
    async with anyio.create_task_group() as group:
        group.start_soon(sleeper)


async def nested() -> None:
    """Wait inside an asyncio task group."""
    async with asyncio.TaskGroup() as group:
        group.create_task(grouped())


async def line_of(target: object) -> str:
    """Run a coroutine function as item until it waits; return the report's line."""
    item = InFlightItem(ItemKind.REQUEST, name="test")
    CURRENT.set(item)
    item.task = asyncio.ensure_future(target())  # type: ignore[operator]
    try:
        for _ in range(10):
            await asyncio.sleep(0)
        return code_line(item)
    finally:
        item.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await item.task


async def test_lines_of_coroutines() -> None:
    """The innermost await of our own code, also through task groups."""
    for target in (sleeper, grouped, nested):
        assert (await line_of(target)).endswith("in sleeper")


async def test_line_of_a_sync_endpoint() -> None:
    """A sync function that a framework runs on a thread is found there."""
    gate = threading.Event()
    entered = threading.Event()

    def endpoint() -> None:
        entered.set()
        gate.wait(20)

    for to_thread in (anyio.to_thread.run_sync, asyncio.to_thread):
        item = InFlightItem(ItemKind.REQUEST, name="test")
        token = CURRENT.set(item)
        task = asyncio.ensure_future(to_thread(endpoint))
        CURRENT.reset(token)  # the thread that waits below is none of the work's
        item.task = task
        await asyncio.to_thread(entered.wait, 20)
        line = code_line(item)
        gate.set()
        await task
        gate.clear()
        entered.clear()
        assert line.endswith("endpoint")


def test_only_the_oldest_are_told() -> None:
    """Young item is left out, and the list is bounded and ordered by age."""
    in_flight = InFlight()
    items = [InFlightItem(ItemKind.TASK, name=str(number)) for number in range(5)]
    for age, item in enumerate(items):
        item.started -= 10 * age
        in_flight.add(item)
    assert [item.name for item in oldest(in_flight, 5, 3)] == ["4", "3", "2"]
    assert item_facts(items[4])["age"] >= 40


@pytest.mark.slow
def test_tasks_page(start_pod: StartPod) -> None:
    """/tasks shows a slow request with its line, to loopback."""
    pod = start_pod(
        """
        import asyncio
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await asyncio.sleep(600)
        """,
        "--grace-period",
        "4s",
        "--hook-time",
        "1s",
    ).ready()
    with pod.connect() as client:
        client.sendall(b"GET /report?secret=1 HTTP/1.1\r\nHost: x\r\nX-Request-ID: r-1\r\n\r\n")
        task = eventually(lambda: pod.probe("/tasks")[1]["tasks"], "the task is told")[0]
        assert (task["title"], task["request_id"]) == ("GET /report", "r-1")
        assert "main.py:5 in app" in task["at"]
    assert pod.probe("/info")[1]["budget"]["grace"] == 4


@pytest.mark.slow
def test_a_blocked_loop_is_named(start_pod: StartPod) -> None:
    """A loop that stands still for a second is logged with the line that blocks it."""
    pod = start_pod(
        """
        import time
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            time.sleep(3)
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})
        """
    ).ready()
    assert pod.get("/")[0] == 204
    assert "main.py:5 in app" in pod.line("the event loop is blocked for")["message"]
