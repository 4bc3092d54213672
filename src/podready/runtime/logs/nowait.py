"""A write to a descriptor that never waits for its reader, chosen once per descriptor.

None of the ways sets O_NONBLOCK on the shared file description: siblings that write to the same
pipe would lose lines.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from functools import partial
from typing import Final

PIPE_BUF: Final = 4096
"""Bytes that Linux writes to a pipe in one piece, whoever else writes (pipe(7))."""

Write = Callable[[bytes], int]
"""Writes a part of the bytes and returns how many; BlockingIOError when there is no room."""


def nowait_write(fd: int) -> Write:
    """Return the cheapest way to write to `fd` that cannot block.

    Files and devices do not wait for a reader. Pipes and sockets take RWF_NOWAIT (Linux 4.14 and
    later); where a kernel or sandbox lacks it, a private non-blocking description of the same
    pipe; where even that is forbidden, poll(2) before each piece of at most PIPE_BUF bytes.
    """
    kind = stat.S_IFMT(os.fstat(fd).st_mode)
    if kind == stat.S_IFREG or (kind == stat.S_IFCHR and not os.isatty(fd)):
        return partial(os.write, fd)
    if kind == stat.S_IFCHR:
        return _polled(fd)
    return _rwf(fd) if _supports_rwf(fd) else _reopened(fd) or _polled(fd)


def _supports_rwf(fd: int) -> bool:
    """Say whether the kernel takes RWF_NOWAIT on this descriptor; writes nothing."""
    try:
        os.pwritev(fd, [b""], -1, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return False
    return True


def _rwf(fd: int) -> Write:
    flag, pwritev = os.RWF_NOWAIT, os.pwritev
    return lambda data: pwritev(fd, (data,), -1, flag)


def _reopened(fd: int) -> Write | None:
    """Open the same pipe once more with O_NONBLOCK; None where /proc or permissions forbid it."""
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    return partial(os.write, own)


def _polled(fd: int) -> Write:
    """Ask for room first; a pipe that is writable has room for PIPE_BUF bytes."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)

    def write(data: bytes) -> int:
        if not poller.poll(0):
            raise BlockingIOError
        return os.write(fd, data[:PIPE_BUF])

    return write
