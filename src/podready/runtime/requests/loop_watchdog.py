"""Notices from a thread that the event loop is blocked, and where.

A C call that holds the interpreter lock keeps this thread from running too; then only the
supervisor notices, because the heartbeats stop.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from podready.runtime.requests.stack_location import thread_line

if TYPE_CHECKING:
    from collections.abc import Callable

STALL_WARNING = 1.0
"""Seconds for which the loop is blocked before the log names the place."""

_log = logging.getLogger("podready.loop")


class LoopWatchdog:
    """Watches the loop of the thread that makes it; the loop calls `heartbeat` regularly."""

    def __init__(self, stalled: Callable[[str, float], None]) -> None:
        self._last_heartbeat = time.monotonic()
        self._watched = threading.get_ident()
        self._stalled = stalled
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="podready-watchdog", daemon=True)
        self._thread.start()

    def heartbeat(self) -> None:
        """Note that the loop turns."""
        self._last_heartbeat = time.monotonic()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def _watch(self) -> None:
        reported = 0.0
        while not self._stop.wait(STALL_WARNING / 2):
            last_heartbeat = self._last_heartbeat
            seconds = time.monotonic() - last_heartbeat
            if seconds > STALL_WARNING and reported != last_heartbeat:
                reported = last_heartbeat
                self._stalled(thread_line(self._watched), seconds)


def log_stall(place: str, seconds: float) -> None:
    """Log where the event loop has been blocked for `seconds`."""
    _log.warning("the event loop is blocked for %.1f s at %s", seconds, place)
