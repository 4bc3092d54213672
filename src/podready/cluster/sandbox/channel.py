"""Messages between the cluster's process and its helpers: JSON and file descriptors.

One AF_UNIX SOCK_SEQPACKET socket a pair: a message arrives whole or not at all, also when
several processes share one end.
"""

from __future__ import annotations

import json
import socket
from typing import Any, Final

Message = dict[str, Any]

MAX_BYTES: Final = 1 << 20
_MAX_FDS: Final = 200  # the kernel's SCM_MAX_FD is 253
_BUFFER: Final = 4 << 20


def channel() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a new channel, with room for large environments."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return ends


def send(sock: socket.socket, message: Message, fds: tuple[int, ...] = ()) -> None:
    """Send one message and copies of `fds`; the caller keeps its own."""
    socket.send_fds(sock, [json.dumps(message).encode()], list(fds))


def receive(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """Return the next message and its descriptors (the caller closes them); None at the end."""
    try:
        data, fds, _, _ = socket.recv_fds(sock, MAX_BYTES, _MAX_FDS, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None
    return (json.loads(data), list(fds)) if data else None
