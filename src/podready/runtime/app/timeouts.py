"""Calling a function of the app, sync or async, with a limit in time."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ExitCalledError(Exception):
    """The function called sys.exit(), which inside an event loop would end the whole process."""

    def __init__(self, exit_: SystemExit) -> None:
        super().__init__(f"it called sys.exit({exit_.code!r})")
        self.exit = exit_


async def call_bounded(function: Callable[..., Any], seconds: float, *arguments: Any) -> Any:
    """Return what `function` returns; a sync one runs on a thread.

    Raises TimeoutError after `seconds`, and ExitCalledError for sys.exit(). A coroutine is
    cancelled when its time is over; one that swallows the cancellation, and a thread, which
    cannot be stopped, are left behind.
    """
    task = asyncio.ensure_future(_call(function, arguments))
    done, _ = await asyncio.wait([task], timeout=max(0.0, seconds))
    if not done:
        task.cancel()
        task.add_done_callback(_forget)
        raise TimeoutError
    return task.result()


async def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await _await(function(*arguments))
    result = await asyncio.to_thread(_call_here, function, arguments)
    return await _await(result) if inspect.isawaitable(result) else result


def _call_here(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        return function(*arguments)
    except SystemExit as error:
        raise ExitCalledError(error) from error


async def _await(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except SystemExit as error:
        raise ExitCalledError(error) from error


def _forget(task: asyncio.Future[Any]) -> None:
    """Take the result: asyncio would warn about an exception that was never retrieved."""
    if not task.cancelled():
        task.exception()
