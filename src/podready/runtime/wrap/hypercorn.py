"""How hypercorn's workers hear of the stop: an event that they share with their parent process.

The parent takes the SIGTERM and only sets that event; a worker looks at it every tenth of a
second through a function that we stand in front of, because hypercorn offers no hook there.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Stop = Callable[[Callable[[], object]], bool]

_MODULE: Final = "hypercorn.asyncio.run"
_WATCHER: Final = "check_multiprocess_shutdown_event"


def hold_hypercorn(stop: Stop) -> bool:
    """Hold a hypercorn worker back; `stop` begins the drain and calls back when it is over.

    Returns whether this process is hypercorn's and has the function that we know.
    """
    module = sys.modules.get(_MODULE)
    watch = getattr(module, _WATCHER, None)
    if module is None or watch is None:
        return False

    async def watch_and_drain(event: Any, sleep: Any) -> None:
        await watch(event, sleep)
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        if stop(lambda: loop.call_soon_threadsafe(over.set)):
            await over.wait()

    setattr(module, _WATCHER, watch_and_drain)
    return True
