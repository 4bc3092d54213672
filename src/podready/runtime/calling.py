"""Calling a function of the app, sync or async, with a limit in time."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


async def call_bounded(function: Callable[..., Any], seconds: float, *arguments: Any) -> Any:
    """Return what `function` returns; a sync one runs on a thread.

    Raises TimeoutError after `seconds`. A coroutine is cancelled then; one that swallows the
    cancellation, and a thread, which cannot be stopped, are left behind.
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
        return await function(*arguments)
    result = await asyncio.to_thread(function, *arguments)
    return await result if inspect.isawaitable(result) else result


def _forget(task: asyncio.Future[Any]) -> None:
    """Take the result, so that asyncio does not warn about an exception nobody looked at."""
    if not task.cancelled():
        task.exception()
