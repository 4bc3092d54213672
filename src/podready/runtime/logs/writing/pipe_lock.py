"""Keeps lines of sibling processes out of a line that goes through a pipe in pieces.

Up to PIPE_BUF bytes the kernel writes a line whole. A longer one can be torn apart when the pipe
fills up in its middle, so its writer holds a record lock (fcntl) on the pipe. Short lines would
pay 1.3 us for a lock that hardly ever matters; they look at one byte of memory instead that all
processes forked from the same supervisor share, and take the lock only while that byte is set.
Workers that were not forked from a process with a writer (uvicorn --workers, gunicorn) share no
memory with their siblings: they take the lock for every line. So does a process from the moment on
at which it starts such children itself: multiprocessing imports what it needs for that right
before the first of them, and we see the import.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
import sys
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_STARTERS: Final = frozenset(
    {
        "multiprocessing.popen_spawn_posix",
        "multiprocessing.popen_forkserver",
        "multiprocessing.forkserver",
    }
)
"""A process that has one of these starts processes with a memory of their own, or is a forkserver
(Lib/multiprocessing/context.py: imported by the first start, not with the package)."""


class PipeLock:
    """One writer's view of the lock on a descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._held = False
        # Anonymous and shared, so forked children see the same: is somebody inside, and for ever?
        self.mark = mmap.mmap(-1, 2)
        if _has_strange_siblings():
            self.take_always()
        _locks.add(self)

    def take_always(self) -> None:
        """Take the lock for every line from now on, as all forked siblings will."""
        if _is_pipe(self._fd):
            self.mark[1] = 1
            self.mark[0] = 1

    def forget(self) -> None:
        """Hold nothing: a forked child does not inherit the record locks of its parent."""
        self._held = False

    def enter(self, *, long: bool) -> bool:
        """Say whether a line may be written now; False while a sibling is inside a long one."""
        if self._held or not (long or self.mark[0]):
            return True
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # what knows no locks has no siblings to fear
            return True
        self._held = True
        self.mark[0] = 1
        return True

    def leave(self) -> None:
        """Let the siblings write again."""
        if not self._held:
            return
        self._held = False
        self.mark[0] = self.mark[1]
        if self.mark[1]:  # a sibling has just said so, and we have overwritten its word
            self.mark[0] = 1
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)
        except OSError:
            pass  # the descriptor was closed under us, and the lock with it


def _has_strange_siblings() -> bool:
    """Say whether a server has started this process as one of several workers."""
    process = sys.modules.get("multiprocessing.process")
    spawned = process is not None and process.parent_process() is not None
    return spawned or "gunicorn.arbiter" in sys.modules or not _STARTERS.isdisjoint(sys.modules)


class _Watch:
    """A finder that finds nothing, and sees what is imported for the first time."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> None:
        """Tell the locks when children are to come that share no memory with us."""
        if name in _STARTERS:
            for lock in _locks:
                lock.take_always()


_locks: weakref.WeakSet[PipeLock] = weakref.WeakSet()
sys.meta_path.insert(0, _Watch())


def _is_pipe(fd: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
