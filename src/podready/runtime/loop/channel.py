"""The pipe between supervisor and worker: one JSON object a line over a socket pair.

Both ends are non-blocking. What does not fit into the kernel's buffer waits here and goes out
with the next message: neither side may ever hang on the other.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Message = dict[str, Any]

_MOST_PENDING = 1 << 20
"""Bytes kept for a peer that does not read; older heartbeats are worth nothing by then."""

_MOST_DESCRIPTORS = 8


class Channel:
    """One end of the pipe."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._incoming = b""
        self._outgoing = bytearray()

    def send(self, kind: str, **fields: Any) -> None:
        """Send one message, or keep it for later; a peer that is gone is no error here."""
        if len(self._outgoing) < _MOST_PENDING:
            line = json.dumps({"kind": kind, **fields}, separators=(",", ":"))
            self._outgoing += line.encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Hand the kernel what it takes."""
        try:
            while self._outgoing:
                del self._outgoing[: self.sock.send(self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing.clear()

    def receive(self) -> list[Message] | None:
        """Return the messages that have arrived, or None once the peer is gone."""
        try:
            data = self._read()
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def has_arrived(self, kind: str) -> bool:
        """Say whether such a message waits to be received, or the peer is gone; takes nothing."""
        try:
            data = self.sock.recv(1 << 16, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not data or f'{{"kind":"{kind}"'.encode() in data

    def _read(self) -> bytes:
        return self.sock.recv(1 << 16)

    def close(self) -> None:
        """Close this end; the peer reads the end of the stream."""
        self.sock.close()


class DescriptorChannel(Channel):
    """One end of a Unix socket that passes open descriptors too (SCM_RIGHTS, unix(7))."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._descriptors: list[int] = []

    def send_descriptors(self, kind: str, descriptors: Sequence[int], **fields: Any) -> None:
        """Send the first message of a connection, which the kernel has always room for."""
        line = json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode()
        try:
            socket.send_fds(self.sock, [line + b"\n"], descriptors)
        except OSError:  # the peer is gone; whoever reads will notice
            pass

    def take_descriptors(self) -> list[int]:
        """Return the descriptors that have come so far; they are the caller's now."""
        taken, self._descriptors = self._descriptors, []
        return taken

    def _read(self) -> bytes:
        data, descriptors, _, _ = socket.recv_fds(self.sock, 1 << 16, _MOST_DESCRIPTORS)
        for fd in descriptors:
            os.set_inheritable(fd, False)
        self._descriptors += descriptors
        return data

    def close(self) -> None:
        """Close this end, and descriptors that nobody has taken."""
        for fd in self.take_descriptors():
            os.close(fd)
        super().close()


def channel_pair() -> tuple[Channel, Channel]:
    """Return the two ends."""
    left, right = socket.socketpair()
    return Channel(left), Channel(right)
