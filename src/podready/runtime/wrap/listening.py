"""Whether this process has a socket that accepts connections, as the kernel sees it."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DESCRIPTORS = Path("/proc/self/fd")


def has_listener(besides: Iterable[socket.socket] = ()) -> bool:
    """Return whether a listening socket is open, not counting `besides`.

    Without /proc there is no way to see it, and the answer is yes.
    """
    own = {sock.fileno() for sock in besides}
    try:
        numbers = [int(entry.name) for entry in _DESCRIPTORS.iterdir()]
    except OSError:
        return True
    return any(_listens(number) for number in numbers if number not in own)


def _listens(number: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return False
        with socket.socket(fileno=os.dup(number)) as sock:
            return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:  # closed meanwhile
        return False
