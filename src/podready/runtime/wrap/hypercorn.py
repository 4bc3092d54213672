"""How hypercorn's workers learn of the shutdown: an event that they share with their parent.

The parent takes the SIGTERM and only sets that event; a worker looks at it every tenth of a
second through a function that is replaced here, because hypercorn offers no hook for it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    BeginDrain = Callable[[Callable[[], object]], bool]

_MODULE: Final = "hypercorn.asyncio.run"
_WATCHER: Final = "check_multiprocess_shutdown_event"


def hold_hypercorn(begin_drain: BeginDrain) -> bool:
    """Hold a hypercorn worker back; `begin_drain` calls back when the drain is over.

    Returns whether this process is hypercorn's and has the known function.
    """
    module = sys.modules.get(_MODULE)
    watch = getattr(module, _WATCHER, None)
    if module is None or watch is None:
        return False

    async def watch_and_drain(event: Any, sleep: Any) -> None:
        await watch(event, sleep)
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        if begin_drain(lambda: loop.call_soon_threadsafe(over.set)):
            await over.wait()

    setattr(module, _WATCHER, watch_and_drain)
    return True
