"""Which threads serve an event loop: those never wait for a reader that is behind."""

from __future__ import annotations

import sys
import threading
from typing import Final

_OTHER_LOOPS: Final = ("trio", "gevent", "eventlet", "curio")
"""They run on the main thread as a rule, and asyncio does not know them."""


def serves_event_loop() -> bool:
    """Say whether this thread serves a loop; a script's, a sync worker's or a pool's does not.

    What a loop calls, be it a callback or a signal handler, runs while its thread has a loop.
    """
    events = sys.modules.get("asyncio.events")
    running = getattr(events, "_get_running_loop", None)  # None while asyncio is being imported
    if events is not None and (running is None or running() is not None):
        return True
    if threading.get_ident() != threading.main_thread().ident:
        return False
    return any(name in sys.modules for name in _OTHER_LOOPS)
