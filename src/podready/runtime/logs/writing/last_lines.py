"""The last lines of a process that ends in a way which runs no `atexit` function.

uvicorn raises SIGTERM again at its end, with the default handler; a plain script dies of it at
once; and children of `multiprocessing` leave with `os._exit`. Each has lines waiting when its
reader is behind, and each gets the chance to write them that `atexit` gives all others.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Flush = Callable[[], object]


def flush_at_sigterm(flush: Flush) -> None:
    """Flush before the default action of SIGTERM, where the signal has no other handler.

    Servers install handlers of their own over this one and put it back at their end.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def flush_and_die(number: int, _frame: object) -> None:
        flush()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, flush_and_die)


class _Owner:
    """What multiprocessing keeps its registrations by; it lives as long as the process."""

    def __init__(self, flush: Flush) -> None:
        self.flush = flush
        self.registered = False


_owners: list[_Owner] = []


def flush_in_children(flush: Flush) -> None:
    """Flush at the end of this process and its children, as far as they are multiprocessing's.

    It is not imported for that: before each fork we look whether it has been.
    """
    if not _owners:
        _owners.append(_Owner(flush))
        os.register_at_fork(before=_register)
    _register()


def _register() -> None:
    """Register with multiprocessing, once, if it is there; it forgets all else in each child.

    In a process that is no child of its own, atexit flushes: twice would be twice the time.
    """
    util: Any = sys.modules.get("multiprocessing.util")
    if util is None or not _owners or _owners[0].registered:
        return
    owner = _owners[0]
    owner.registered = True
    util.register_after_fork(owner, _finalize)
    if sys.modules["multiprocessing.process"].parent_process() is not None:
        _finalize(owner)


def _finalize(owner: _Owner) -> None:
    """Run after all other finalizers: they may log, too."""
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, owner.flush, exitpriority=-100)
