"""This process as one of a server's workers: it counts in its segment and reports to the leader.

The leader is the process that has the admin port; it is a follower of itself, too. The leader's
numbers must not be lost when it ends, so each follower keeps two descriptors of it: the retired,
which holds what ended processes have counted, and its segment. The next leader gets them with the
handshake.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from podready._version import __version__
from podready.runtime.logs.log import LOG
from podready.runtime.loop.channel import DescriptorChannel
from podready.runtime.loop.messages import (
    DebugRequest,
    Handshake,
    HandshakeAccepted,
    HandshakeRefused,
    LogLevels,
    RegistryRequest,
    RegistryText,
    unexpected,
)
from podready.runtime.metrics import app_registry
from podready.runtime.wrap.rendezvous import SharedSegment, connect_to_leader

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from podready.runtime.loop.loop import Loop
    from podready.runtime.loop.messages import HealthReport, Heartbeat, Message, Unreadable

_REFUSED_RETRY: Final = 5.0
"""Seconds until the next handshake after one that was refused."""

_log = logging.getLogger("podready.wrap")


class Follower:
    """Runs on the loop of the thread that answers the probes.

    `lost` is called when the leader has ended, and a while after a leader has refused this process.
    """

    def __init__(self, loop: Loop, lost: Callable[[], None]) -> None:
        self.segment = SharedSegment()
        self._loop = loop
        self._lost = lost
        self._is_refused = False
        self._channel: DescriptorChannel | None = None
        self._leader = ""
        self._leaders_descriptors: list[int] = []
        self._changes: dict[str, list[float]] = {}
        self._rendering = app_registry.RegistryRenderer(
            self.segment.write_text, loop.call_soon_threadsafe, self._report_registry
        )

    @property
    def connected(self) -> bool:
        """Whether there is a leader."""
        return self._channel is not None

    def seek(self, port: int) -> bool:
        """Connect to the leader; return whether there is one."""
        sock = connect_to_leader(port)
        if sock is not None:
            self.join(sock)
        return sock is not None

    def join(self, sock: socket.socket) -> None:
        """Begin the handshake with a leader."""
        self._channel = DescriptorChannel(sock, _log.error)
        self._is_refused = False
        self._loop.watch(sock, read=self._receive, write=None)
        handshake = Handshake(
            pid=os.getpid(), version=__version__, leader=self._leader, changes=self._changes
        )
        self._channel.send_descriptors(handshake, [self.segment.fd, *self._leaders_descriptors])

    def report(self, health: HealthReport, heartbeat: Heartbeat) -> None:
        """Report this process's health and work to the leader."""
        if self._channel is not None and self._leader:
            self._channel.send(health)
            self._channel.send(heartbeat)

    def debug(self) -> None:
        """Ask for DEBUG in the whole pod (SIGUSR1)."""
        if self._channel is not None:
            self._channel.send(DebugRequest())

    def sockets(self) -> list[socket.socket]:
        """Return the socket, for a forked child to close."""
        return [self._channel.sock] if self._channel else []

    def release(self) -> None:
        """Close all descriptors, in a forked child, which gets a segment of its own."""
        for fd in self._leaders_descriptors:
            os.close(fd)
        self.segment.release()

    # Messages of the leader

    def _receive(self) -> None:
        assert self._channel is not None
        messages = self._channel.receive()
        if messages is None:
            self._loop.unwatch(self._channel.sock)
            self._channel.close()
            self._channel = None
            self._leader_gone()
            return
        for message in messages:
            self._handle(message)

    def _handle(self, message: Message | Unreadable) -> None:
        match message:
            case HandshakeAccepted(leader):
                self._accepted(leader)
            case HandshakeRefused(reason):
                self._is_refused = True
                _log.warning("podready's leader has refused this process: %s", reason)
            case LogLevels(levels, ends):
                self._changes = {name: [levels[name], until] for name, until in ends.items()}
                LOG.levels.override(levels)
            case RegistryRequest(openmetrics, request_id):
                self._rendering.begin(openmetrics, request_id)
            case _:
                _log.error("podready's leader %s", unexpected(message))

    def _leader_gone(self) -> None:
        if self._is_refused:
            self._loop.call_later(_REFUSED_RETRY, self._lost)
        else:
            self._lost()

    def _accepted(self, leader: str) -> None:
        assert self._channel is not None
        for fd in self._leaders_descriptors:
            os.close(fd)
        self._leaders_descriptors = self._channel.take_descriptors()
        self._leader = leader

    def _report_registry(self, size: int, openmetrics: bool, request_id: int) -> None:
        if self._channel is not None:
            self._channel.send(RegistryText(size, openmetrics, request_id))
