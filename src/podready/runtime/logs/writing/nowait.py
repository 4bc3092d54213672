"""A write to a descriptor that never waits for its reader, chosen once per descriptor.

None of the ways sets O_NONBLOCK on the shared file description: siblings that write to the same
pipe would lose lines.
"""

from __future__ import annotations

import os
import select
import stat
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

PIPE_BUF: Final = 4096
"""Bytes that Linux writes to a pipe in one piece, whatever other processes write (pipe(7))."""

_TERMINAL_PIECE: Final = 128
"""Bytes of plain text that a terminal takes when poll(2) says that it has room: a pty's buffers
grow by 256 (drivers/tty/tty_buffer.c), a serial line has more."""

_TERMINAL_SPECIAL: Final = b"\n\r\t\b"
"""What a terminal may translate; it looks for room again before each (drivers/tty/n_tty.c)."""

_PTMX: Final = os.makedev(5, 2)
"""To open the master side of a pty again would make a new pty."""

Write = Callable[[bytes], int]
"""Writes a part of the bytes and returns how many; BlockingIOError when there is no room."""


def nowait_write(fd: int) -> Write:
    """Return the cheapest way to write to `fd` that cannot block.

    Files and devices do not wait for a reader; a terminal does (Ctrl-S, `docker run -t` that
    nobody is attached to). Pipes and sockets take RWF_NOWAIT (Linux 4.14 and later); terminals,
    and pipes where a kernel or sandbox lacks it, a private non-blocking description of the same
    file; sockets MSG_DONTWAIT. Where even that is forbidden, poll(2) comes before each piece, and
    pieces are as small as always fit then.
    """
    kind = stat.S_IFMT(os.fstat(fd).st_mode)
    if kind == stat.S_IFREG or (kind == stat.S_IFCHR and not os.isatty(fd)):
        return partial(os.write, fd)
    if kind == stat.S_IFCHR:
        return _reopened(fd) or _polled(fd, _terminal_piece)
    if _supports_rwf(fd):
        return _rwf(fd)
    own = _unwaiting_socket(fd) if kind == stat.S_IFSOCK else _reopened(fd)
    return own or _polled(fd, _pipe_piece)


def wait_writable(fd: int, seconds: float) -> bool:
    """Wait until there is room, up to `seconds`; say whether there is."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return bool(poller.poll(seconds * 1000))


def in_pieces(lines: deque[bytes]) -> Iterator[list[bytes]]:
    """Empty a queue, in lists that the kernel writes in one piece; longer lines come alone.

    Another thread may append meanwhile: each line is taken out exactly once.
    """
    chunk: list[bytes] = []
    size = 0
    while lines:
        line = lines.popleft()
        if chunk and size + len(line) > PIPE_BUF:
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield chunk


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
    """Open the same file once more with O_NONBLOCK; None where /proc or permissions forbid it."""
    if os.fstat(fd).st_rdev == _PTMX:
        return None
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        own = os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return None
    write = partial(os.write, own)
    weakref.finalize(write, os.close, own).atexit = False  # open as long as somebody writes
    return write


def _unwaiting_socket(fd: int) -> Write | None:
    """Ask the socket not to wait, for each write; None where asking would change it for all."""
    import socket

    if socket.getdefaulttimeout() is not None:  # the object would set O_NONBLOCK
        return None
    own = socket.socket(fileno=os.dup(fd))
    return lambda data: own.send(data, socket.MSG_DONTWAIT)


def _pipe_piece(_data: bytes, start: int) -> int:
    return start + PIPE_BUF


def _terminal_piece(data: bytes, start: int) -> int:
    end = start + _TERMINAL_PIECE
    for special in _TERMINAL_SPECIAL:
        found = data.find(special, start, end)
        end = found if found >= 0 else end
    return max(end, start + 1)


def _polled(fd: int, piece_end: Callable[[bytes, int], int]) -> Write:
    """Ask for room first; what is writable has room for one piece."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)

    def write(data: bytes) -> int:
        sent = 0
        while sent < min(len(data), PIPE_BUF) and poller.poll(0):
            sent += os.write(fd, data[sent : piece_end(data, sent)])
        if not sent:
            raise BlockingIOError
        return sent

    return write
