"""The connection between two processes: one message a line over a socket pair.

Both ends are non-blocking. What does not fit into the kernel's buffer waits here and goes out
with the next message: neither side may ever hang on the other.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from podready.runtime.loop.messages import Message, Unreadable, beginning, decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

Report = Callable[[str], object]
"""Takes a sentence for the log."""

_MAX_PENDING: Final = 1 << 20
"""Bytes kept for a peer that does not read; older heartbeats are worth nothing by then."""

_MAX_DESCRIPTORS: Final = 8


class Channel:
    """One end; `report` is called with a sentence about messages that are dropped."""

    def __init__(self, sock: socket.socket, report: Report) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.dropped = 0
        self._report = report
        self._incoming = b""
        self._outgoing = bytearray()

    def send(self, message: Message) -> None:
        """Send a message, or keep it for later; a peer that is gone is no error here.

        Over 1 MiB of kept messages the new ones are dropped, counted and reported.
        """
        if len(self._outgoing) < _MAX_PENDING:
            self._outgoing += encode(message)
        else:
            self._drop(message)
        self.flush()

    def _drop(self, message: Message) -> None:
        self.dropped += 1
        name = type(message).__name__
        if self.dropped == 1:  # the next ones are reported as a number, when the peer reads again
            self._report(f"dropping messages to a process that does not read them: {name}")

    def flush(self) -> None:
        """Hand the kernel what it takes."""
        try:
            while self._outgoing:
                del self._outgoing[: self.sock.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError:
            self._outgoing.clear()
        if self.dropped:
            self._report(f"{self.dropped} messages to a process that did not read them are lost")
            self.dropped = 0

    def receive(self) -> list[Message | Unreadable] | None:
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
        return [decode(line) for line in lines]

    def has_arrived(self, message: type[Message]) -> bool:
        """Say whether such a message waits to be received, or the peer is gone; takes nothing."""
        try:
            data = self.sock.recv(1 << 16, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not data or beginning(message) in data

    def _read(self) -> bytes:
        return self.sock.recv(1 << 16)

    def close(self) -> None:
        """Close this end; the peer reads the end of the stream."""
        self.sock.close()


class DescriptorChannel(Channel):
    """One end of a Unix socket that passes open descriptors too (SCM_RIGHTS, unix(7))."""

    def __init__(self, sock: socket.socket, report: Report) -> None:
        super().__init__(sock, report)
        self._descriptors: list[int] = []

    def send_descriptors(self, message: Message, descriptors: Sequence[int]) -> None:
        """Send the first message of a connection, which the kernel has always room for."""
        try:
            socket.send_fds(self.sock, [encode(message)], descriptors)
        except OSError:  # the peer is gone, which the next read will show
            pass

    def take_descriptors(self) -> list[int]:
        """Return the descriptors that have come so far; the caller must close them."""
        taken, self._descriptors = self._descriptors, []
        return taken

    def _read(self) -> bytes:
        data, descriptors, _, _ = socket.recv_fds(self.sock, 1 << 16, _MAX_DESCRIPTORS)
        for fd in descriptors:
            os.set_inheritable(fd, False)
        self._descriptors += descriptors
        return data

    def close(self) -> None:
        """Close this end, and descriptors that were not taken."""
        for fd in self.take_descriptors():
            os.close(fd)
        super().close()


def channel_pair(report: Report) -> tuple[Channel, Channel]:
    """Return the two ends."""
    left, right = socket.socketpair()
    return Channel(left, report), Channel(right, report)
