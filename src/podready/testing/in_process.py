"""An app object under the runtime, on a thread of the test's own process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from podready.contract import ExitCode
from podready.errors import StartupError
from podready.runtime.budget import divide
from podready.testing.app_under_test import AppUnderTest
from podready.testing.losses import ShutdownRecord
from podready.testing.served import Served

_CLOSE_SECONDS: Final = 5.0
_HOOK_SECONDS: Final = 5.0
_KILLED: Final = -9

_only_one = threading.Lock()
"""Requests in flight, checks and the shutdown notice belong to the process: one app at a time."""


class ServedApp(AppUnderTest):
    """An app object that serves from a thread of this process, ready to serve."""

    def __init__(
        self, app: Callable[..., Any], drain_delay: float, grace_period: float, hook_time: float
    ) -> None:
        super().__init__(drain_delay, grace_period)
        self._app = app
        self._budget = divide(grace_period, drain_delay, hook_time)
        self._started: Future[Served] = Future()
        self._killed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="the served app", daemon=True)

    def _wait_ready(self, seconds: float) -> None:
        """Start the app and wait until it is ready; raises StartupError when it is not."""
        self._thread.start()
        try:
            served = self._started.result(seconds)
        except TimeoutError:
            raise StartupError(f"the app was not ready within {seconds:g} s") from None
        self.port, self.admin_port = served.port, served.admin_port

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._task = asyncio.current_task()
        served = self._served = Served(self._app, self._budget)
        try:
            await served.start()
            self._started.set_result(served)
            await served.serve()
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            await served.close()

    def _terminate(self) -> None:
        self._call(self._served.ask_to_drain)

    def _call(self, function: Callable[[], object]) -> None:
        """Call a function on the app's event loop, unless that has ended."""
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            pass

    def wait_stopped(self) -> int:
        """Wait for the end of an app that drains; return 0, or -9 where it would be killed."""
        if self._drain_begun is None:
            raise AssertionError("the app was not asked to stop: call begin_drain() first")
        self._thread.join(max(0.0, self._drain_begun + self.grace_period - time.monotonic()))
        if self._thread.is_alive():
            self._killed = True
            self.close()
        return _KILLED if self._killed else ExitCode.OK

    def _stop_of(self, begun: float) -> ShutdownRecord:
        return ShutdownRecord(
            begun=begun,
            drain_delay=self.drain_delay,
            grace_period=self.grace_period,
            killed=self._killed,
            end="",
            cut=[_title_and_place(line) for line in self._served.stuck],
        )

    def _last_words(self) -> str:
        return ""  # pytest shows what was logged in its own process

    def close(self) -> None:
        """End the app and all clients; in-flight requests are cut, hooks run."""
        if self._thread.is_alive():
            self._call(self._end)
            self._thread.join(self._budget.hooks + _CLOSE_SECONDS)
        self._end_clients()

    def _end(self) -> None:
        """Hurry a drain; an app that has not started yet is cancelled."""
        if self._started.done():
            self._served.ask_to_drain(hurry=True)
        elif self._task is not None:
            self._task.cancel()


def _title_and_place(line: str) -> tuple[str, str]:
    """Return what the stuck report says as `GET /slow, 3.0 s, at main.py:12 in slow`."""
    title, _, place = line.rpartition(", at ")
    return title.rpartition(", ")[0], place


@contextmanager
def serve_app(
    app: Callable[..., Any],
    *,
    drain_delay: float = 0.5,
    grace_period: float = 10.0,
    hook_time: float = _HOOK_SECONDS,
    startup_timeout: float = 30.0,
) -> Iterator[ServedApp]:
    """Serve an ASGI or WSGI app object in this process until the end of the block.

    It runs on a thread of its own, on uvicorn and free ports of 127.0.0.1, with podready's
    lifespan, checks, probes and drain; fakes and overrides of the test hold. There is no SIGTERM:
    `drain` does what it would do. Times are seconds, as for `run_app`; `hook_time` is part of
    the grace period. Yields a ServedApp. Raises StartupError when the app does not start, or
    while another one is served.
    """
    if not _only_one.acquire(blocking=False):
        raise StartupError("another app is served in this process: end that one first")
    served = ServedApp(app, drain_delay, grace_period, hook_time)
    try:
        served._wait_ready(startup_timeout)
        yield served
    finally:
        served.close()
        _only_one.release()
