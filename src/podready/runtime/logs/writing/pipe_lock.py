"""Keeps lines of sibling processes out of a line that goes through a pipe in pieces.

Up to PIPE_BUF bytes the kernel writes a line whole. A longer one can be torn apart when the pipe
fills up in its middle, so its writer holds a record lock (fcntl) on the pipe. Short lines would
pay 1.3 us for a lock that hardly ever matters; they look at one byte of memory instead that all
processes forked from the same supervisor share, and take the lock only while that byte is set.
Workers that were not forked from a process with a writer (uvicorn --workers, gunicorn) share no
memory with their siblings: they take the lock for every line. So does a process that starts such
children itself, from its first long line after that on.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
import sys
from typing import Final

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
        # Anonymous and shared, so forked children see the same: is the lock held, and by everyone?
        self.mark = mmap.mmap(-1, 2)
        self._watch_for_unrelated_siblings()

    def _watch_for_unrelated_siblings(self) -> None:
        """Take the lock for every line from now on if a sibling shares no memory with us."""
        if not self.mark[1] and _has_unrelated_siblings() and _is_pipe(self._fd):
            self.mark[1] = 1
            self.mark[0] = 1

    def forget(self) -> None:
        """Hold nothing: a forked child does not inherit the record locks of its parent."""
        self._held = False

    def enter(self, *, long: bool) -> bool:
        """Say whether a line may be written now; False while a sibling is inside a long one."""
        if self._held or not (long or self.mark[0]):
            return True
        self._watch_for_unrelated_siblings()
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a descriptor without locks is no pipe
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
        if self.mark[1]:  # a sibling has set both since, and we have overwritten the first
            self.mark[0] = 1
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)
        except OSError:
            pass  # the descriptor was closed under us, and the lock with it


def _has_unrelated_siblings() -> bool:
    """Say whether a server has started this process as one of several workers."""
    process = sys.modules.get("multiprocessing.process")
    spawned = process is not None and process.parent_process() is not None
    return spawned or "gunicorn.arbiter" in sys.modules or not _STARTERS.isdisjoint(sys.modules)


def _is_pipe(fd: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
