"""This process as one of a foreign server's workers: it counts on its shelf and tells the leader.

The leader is the process that has the admin port; it is a follower of its own, too. What a leader
knew must not be lost when it ends, so each follower keeps two descriptors of it: the ledger, which
holds what ended processes have counted, and its shelf. The next leader gets them with the hello.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from podready._version import __version__
from podready.runtime.logs.levels import LEVELS
from podready.runtime.loop.channel import DescriptorChannel
from podready.runtime.metrics import app_registry
from podready.runtime.wrap.rendezvous import SharedShelf, go_to_meeting

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from podready.runtime.loop.channel import Message
    from podready.runtime.loop.loop import Loop


class Follower:
    """Lives on the loop of the thread that answers the probes; `lost` hears of the leader's end."""

    def __init__(self, loop: Loop, lost: Callable[[], None]) -> None:
        self.shelf = SharedShelf()
        self._loop = loop
        self._lost = lost
        self._channel: DescriptorChannel | None = None
        self._leader = ""
        self._left_by_leader: list[int] = []
        self._changes: dict[str, list[float]] = {}
        self._rendering = app_registry.Rendering(
            self.shelf.write_text, loop.call_soon_threadsafe, self._tell_registry
        )

    @property
    def connected(self) -> bool:
        """Whether there is a leader."""
        return self._channel is not None

    def seek(self, port: int) -> bool:
        """Look for the leader; return whether it was found."""
        sock = go_to_meeting(port)
        if sock is not None:
            self.join(sock)
        return sock is not None

    def join(self, sock: socket.socket) -> None:
        """Say hello to a leader."""
        self._channel = DescriptorChannel(sock)
        self._loop.watch(sock, read=self._hear, write=None)
        self._channel.send_descriptors(
            "hello",
            [self.shelf.fd, *self._left_by_leader],
            pid=os.getpid(),
            version=__version__,
            leader=self._leader,
            changes=self._changes,
        )

    def beat(self, state: Message, facts: Message) -> None:
        """Tell the leader how this process fares."""
        if self._channel is not None and self._leader:
            self._channel.send("state", **state)
            self._channel.send("beat", **facts, registry=app_registry.has_registry())

    def debug(self) -> None:
        """Ask for DEBUG in the whole pod (SIGUSR1)."""
        if self._channel is not None:
            self._channel.send("debug")

    def sockets(self) -> list[socket.socket]:
        """Return the socket, for a forked child to close."""
        return [self._channel.sock] if self._channel else []

    def give_up(self) -> None:
        """Let go of all descriptors, in a forked child, which gets a shelf of its own."""
        for fd in self._left_by_leader:
            os.close(fd)
        self.shelf.give_up()

    # What the leader says

    def _hear(self) -> None:
        assert self._channel is not None
        messages = self._channel.receive()
        if messages is None:
            self._loop.unwatch(self._channel.sock)
            self._channel.close()
            self._channel = None
            self._lost()
            return
        for message in messages:
            self._obey(message)

    def _obey(self, message: Message) -> None:
        kind = message["kind"]
        if kind == "welcome":
            self._welcomed(message)
        elif kind == "levels":
            table = message["table"]
            self._changes = {name: [table[name], until] for name, until in message["until"].items()}
            LEVELS.override(table)
        elif kind == "registry":
            self._rendering.begin(message["openmetrics"], message["turn"])

    def _welcomed(self, message: Message) -> None:
        assert self._channel is not None
        for fd in self._left_by_leader:
            os.close(fd)
        self._left_by_leader = self._channel.take_descriptors()
        self._leader = message["leader"]

    def _tell_registry(self, size: int, openmetrics: bool, turn: int) -> None:
        if self._channel is not None:
            self._channel.send("registry", bytes=size, openmetrics=openmetrics, turn=turn)
