"""Noticing from a thread that the event loop stands still, and where.

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
"""Seconds of a loop that stands still before it is named in the log."""

_log = logging.getLogger("podready.loop")


class Watchdog:
    """Watches the loop of the thread that makes it; the heartbeat calls `beat`."""

    def __init__(self, stalled: Callable[[str, float], None]) -> None:
        self._beat_at = time.monotonic()
        self._watched = threading.get_ident()
        self._stalled = stalled
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="podready-watchdog", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Note that the loop turns."""
        self._beat_at = time.monotonic()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()

    def _watch(self) -> None:
        told = 0.0
        while not self._stop.wait(STALL_WARNING / 2):
            beat_at = self._beat_at
            silent = time.monotonic() - beat_at
            if silent > STALL_WARNING and told != beat_at:
                told = beat_at
                self._stalled(thread_line(self._watched), silent)


def log_stall(place: str, silent: float) -> None:
    """Log where the event loop has been standing for `silent` seconds."""
    _log.warning("the event loop is blocked for %.1f s at %s", silent, place)
