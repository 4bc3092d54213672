"""The pipe between supervisor and worker: one JSON object a line over a socket pair.

Both ends are non-blocking. What does not fit into the kernel's buffer waits here and goes out
with the next message: neither side may ever hang on the other.
"""

from __future__ import annotations

import json
import socket
from typing import Any

Message = dict[str, Any]

_MOST_PENDING = 1 << 20
"""Bytes kept for a peer that does not read; older heartbeats are worth nothing by then."""


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
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close this end; the peer reads the end of the stream."""
        self.sock.close()


def channel_pair() -> tuple[Channel, Channel]:
    """Return the two ends."""
    left, right = socket.socketpair()
    return Channel(left), Channel(right)
