"""How the processes of a server find each other, and what they share: memory, no files.

The leader listens on an abstract Unix socket, the rendezvous socket (unix(7)): it needs no writable
directory, belongs to the pod's network namespace and is gone with its process. Both sides check the
user of the other one, because such a socket has no owner and no mode.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
import sys
import tempfile
from typing import Final

from podready.runtime.metrics.shared import SEGMENT_BYTES, MetricsSegment

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)
_LINUX: Final = sys.platform == "linux"


class SharedSegment(MetricsSegment):
    """A segment whose memory can be handed to another process as a descriptor."""

    def __init__(self) -> None:
        self.fd = _memory_file()
        os.ftruncate(self.fd, SEGMENT_BYTES)
        super().__init__(mmap.mmap(self.fd, SEGMENT_BYTES))

    def release(self) -> None:
        """Close the descriptor, in a forked child; cells that are in use stay mapped."""
        os.close(self.fd)


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("podready-segment")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def segment_of(fd: int) -> MetricsSegment:
    """Return the segment in another process's memory and close `fd`; ValueError when it is none."""
    try:
        return MetricsSegment(mmap.mmap(fd, SEGMENT_BYTES))
    except OSError as error:
        raise ValueError(f"it sent what is not a segment: {error}") from error
    finally:
        os.close(fd)


def _address(port: int) -> str:
    return f"\0podready/{os.getuid()}/{port}"


def listen_for_followers(port: int) -> socket.socket | None:
    """Return the rendezvous socket of the server with this admin port; None if it cannot be had."""
    if not _LINUX:
        return None
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        sock.bind(_address(port))
        sock.listen()
    except OSError:
        sock.close()
        return None
    return sock


def connect_to_leader(port: int) -> socket.socket | None:
    """Connect to the rendezvous socket; None when there is none, or it is another user's."""
    if not _LINUX:
        return None
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        sock.connect(_address(port))
        if is_same_user(sock):
            return sock
    except OSError:
        pass
    sock.close()
    return None


def is_same_user(sock: socket.socket) -> bool:
    """Return whether the peer runs as this user, as all processes of one server do."""
    if not _LINUX:
        return True
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(raw)[1] == os.getuid())
