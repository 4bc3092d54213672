"""Who may wait for a reader that is behind: threads that serve no event loop."""

from __future__ import annotations

import sys
import threading
from typing import Final

THREAD_PATIENCE: Final = 0.05
"""Seconds that a plain thread waits for room before a line is dropped; an event loop never."""

_OTHER_LOOPS: Final = ("trio", "gevent", "eventlet", "curio")
"""They run on the main thread as a rule, and asyncio knows nothing of them."""


def may_wait() -> bool:
    """Say whether this thread serves no event loop: a script's, a sync worker's, a pool's.

    What a loop calls, be it a callback or a signal handler, runs while its thread has a loop.
    """
    events = sys.modules.get("asyncio.events")
    running = getattr(events, "_get_running_loop", None)  # None while asyncio is being imported
    if events is not None and (running is None or running() is not None):
        return False
    if threading.get_ident() != threading.main_thread().ident:
        return True
    return not any(name in sys.modules for name in _OTHER_LOOPS)
