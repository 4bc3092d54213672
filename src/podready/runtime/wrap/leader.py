"""The pod of a foreign server, as the process that has the admin port knows it.

Every process of the server that has called `podready.wrap` is a follower of it, itself included:
it hands over its shelf and tells twice a second how it fares. So the pages of the admin port are
those of `podready run`: one /metrics for all workers, levels for all of them.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from podready._version import __version__
from podready.runtime.admin.loggers import Loggers
from podready.runtime.admin.metrics import MetricsPage
from podready.runtime.admin.pages import Pages
from podready.runtime.admin.server import AdminServer
from podready.runtime.logs import log_event
from podready.runtime.loop.channel import DescriptorChannel
from podready.runtime.supervisor.workers import WorkerHandle, free_slot
from podready.runtime.wrap.rendezvous import SharedShelf, hold_meeting, is_ours, shelf_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from podready.runtime.admin.probes import Standing
    from podready.runtime.lifecycle import Lifecycle
    from podready.runtime.loop.channel import Message
    from podready.runtime.loop.loop import Loop
    from podready.runtime.run_config import RunConfig

_SERVERS: Final = (
    ("gunicorn.arbiter", "gunicorn"),
    ("hypercorn.run", "hypercorn"),
    ("granian.server", "granian"),
    ("uvicorn.server", "uvicorn"),
)
"""Servers by a module that only they load; gunicorn may run uvicorn's worker, so it comes first."""


class Followers:
    """The processes that have said hello and live."""

    def __init__(self) -> None:
        self.by_channel: dict[DescriptorChannel, WorkerHandle] = {}

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(list(self.by_channel.values()))

    def broadcast(self, kind: str, **fields: Any) -> None:
        """Send one message to all of them."""
        for worker in self:
            worker.channel.send(kind, **fields)


class Leader:
    """Keeps the pages; `standing` is how this process itself stands, which the probes tell."""

    supervised = False

    def __init__(
        self,
        loop: Loop,
        config: RunConfig,
        lifecycle: Lifecycle,
        standing: Callable[[], Standing],
        shelf: SharedShelf,
    ) -> None:
        self.loop = loop
        self.config = config
        self.lifecycle = lifecycle
        self.standing = standing
        self.fleet = Followers()
        self.loggers = Loggers(self)
        self.several = False
        self._name = os.urandom(8).hex()
        self._shelf = shelf
        self._ledger = SharedShelf()
        self._strangers: dict[DescriptorChannel, None] = {}
        self.metrics = MetricsPage(self, self._ledger)
        self._admin: AdminServer
        self._meeting: socket.socket | None = None

    @property
    def server(self) -> str:
        """The foreign server's name."""
        return next((name for module, name in _SERVERS if module in sys.modules), "unknown")

    def open(self, admin: socket.socket) -> socket.socket:
        """Answer on the admin port and let followers come; return the socket for our own."""
        self._admin = AdminServer(self.loop, admin, Pages(self).answer)
        self._meeting = hold_meeting(admin.getsockname()[1])
        if self._meeting is not None:
            self.loop.watch(self._meeting, read=self._accept, write=None)
        ours, theirs = socket.socketpair()
        self._receive(ours)
        return theirs

    @property
    def listener(self) -> socket.socket:
        """The admin port's."""
        return self._admin.sockets()[0]

    def sockets(self) -> list[socket.socket]:
        """Return every socket, for a forked child to close."""
        channels = [*self._strangers, *self.fleet.by_channel]
        meeting = [self._meeting] if self._meeting is not None else []
        return [*self._admin.sockets(), *meeting, *(channel.sock for channel in channels)]

    def give_up(self) -> None:
        """Let go of the ledger, in a forked child."""
        self._ledger.give_up()

    def _accept(self) -> None:
        assert self._meeting is not None
        try:
            sock, _ = self._meeting.accept()
        except OSError:
            return
        if is_ours(sock):
            self._receive(sock)
        else:
            sock.close()

    def _receive(self, sock: socket.socket) -> None:
        channel = DescriptorChannel(sock)
        self._strangers[channel] = None
        self.loop.watch(sock, read=lambda: self._hear(channel), write=None)

    def _hear(self, channel: DescriptorChannel) -> None:
        try:
            messages = channel.receive()
            for message in messages or ():
                self._heed(channel, message)
        except (ValueError, LookupError, TypeError) as error:  # it is ours by its user only
            log_event(
                "WARNING", f"a process speaks to podready's leader what it knows not: {error}"
            )
            messages = None
        if messages is None:
            self._gone(channel)

    def _heed(self, channel: DescriptorChannel, message: Message) -> None:
        worker = self.fleet.by_channel.get(channel)
        if worker is not None:
            self._note(worker, message)
        elif message["version"] != __version__:
            raise ValueError(f"podready {message['version']}, this is {__version__}")
        else:
            self._greet(channel, message)

    def _greet(self, channel: DescriptorChannel, message: Message) -> None:
        """Take a process in, with what it has of a leader before us."""
        shelf, *left = map(shelf_of, channel.take_descriptors())
        now = self.loop.time()
        slot = free_slot(self.fleet)
        worker = WorkerHandle(message["pid"], channel, now, shelf, slot, last_beat=now)
        self._strangers.pop(channel, None)
        self.fleet.by_channel[channel] = worker
        channel.send_descriptors("welcome", [self._ledger.fd, self._shelf.fd], leader=self._name)
        if message["leader"] != self._name:  # several followers bring the same memory of it
            for each in left:
                self.metrics.retire(each)
            self.loggers.inherit(message["changes"])
        self.loggers.tell(worker)

    def _note(self, worker: WorkerHandle, message: Message) -> None:
        worker.last_beat = self.loop.time()
        kind = message["kind"]
        if kind == "beat":
            worker.beat = message
            worker.listening = message["serving"]
            self.several = self.several or sum(each.listening for each in self.fleet) > 1
        elif kind == "state":
            worker.state = message
        elif kind == "registry":
            self.metrics.hear(worker, message)
        elif kind == "debug":
            self.loggers.debug()

    def _gone(self, channel: DescriptorChannel) -> None:
        self.loop.unwatch(channel.sock)
        channel.close()
        self._strangers.pop(channel, None)
        worker = self.fleet.by_channel.pop(channel, None)
        if worker is not None:
            self.metrics.note_gone(worker)
