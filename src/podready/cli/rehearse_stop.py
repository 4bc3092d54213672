"""Ctrl-C and SIGTERM of a rehearsal: the work is cancelled, the shutdown after it never is.

Only what runs on the cluster gets cancelled. The cluster itself starts whole (half a second)
and stops whole, so there is no moment at which a signal could leave a process or a folder behind.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from podready.cli.console import complain
from podready.contract import ExitCode

TERMINATED: Final = 128 + signal.SIGTERM

RETRY_SECONDS: Final = 2.0
"""When a cancelled task goes on for so long it is cancelled again: `asyncio.wait_for` of Python
3.11 swallows a cancellation that comes together with what it waited for."""

_T = TypeVar("_T")


class StoppedError(Exception):
    """The user stopped the rehearsal."""


class StopSignals:
    """Handles SIGINT and SIGTERM after `listen`; only the first one counts."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._number = 0

    @property
    def code(self) -> int:
        """Return the exit code that the first signal asks for, 0 before it."""
        codes = {0: 0, int(signal.SIGTERM): TERMINATED}
        return codes.get(self._number, ExitCode.INTERRUPTED)

    def listen(self) -> None:
        """Take both signals over."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, int(number))

    def _on_signal(self, number: int) -> None:
        if not self._number:  # a second Ctrl-C must not leave processes behind
            complain("podready: stopping; everything is being shut down")
            self._number = number
            self._stopped.set()

    async def run_until_cancelled(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return what the work returns; cancel it at a signal and raise StoppedError."""
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stopped.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=RETRY_SECONDS)
        if self._number:
            await asyncio.gather(task, return_exceptions=True)  # its error is not wanted either
            raise StoppedError
        return task.result()
