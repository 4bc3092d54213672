"""The pod of a wrapped app's server, as the process that has the admin port knows it.

Every process of the server that has called `podready.wrap` is a follower, the leader included: it
hands over its segment and reports twice a second. So the pages of the admin port are those of
`podready run`: one /metrics for all workers, log levels for all of them.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from podready._version import __version__
from podready.runtime.admin.loggers import Loggers
from podready.runtime.admin.metrics import MetricsPage
from podready.runtime.admin.pages import Pages
from podready.runtime.admin.server import AdminServer
from podready.runtime.admin.worker_handle import WorkerHandle, free_slot
from podready.runtime.logs import log_event
from podready.runtime.loop.channel import DescriptorChannel
from podready.runtime.loop.messages import (
    DebugRequest,
    Handshake,
    HandshakeAccepted,
    HandshakeRefused,
    HealthReport,
    Heartbeat,
    Message,
    RegistryText,
    Unreadable,
    unexpected,
)
from podready.runtime.wrap.rendezvous import (
    SharedSegment,
    is_same_user,
    listen_for_followers,
    segment_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from podready.runtime.admin.probes import PodStatus
    from podready.runtime.lifecycle import Lifecycle
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
    """The processes whose handshake was accepted and that live."""

    def __init__(self) -> None:
        self.by_channel: dict[DescriptorChannel, WorkerHandle] = {}

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(list(self.by_channel.values()))

    def broadcast(self, message: Message) -> None:
        """Send a message to all of them."""
        for worker in self:
            worker.channel.send(message)


class Leader:
    """Serves the admin port; the probes there answer with `status`, this process's own."""

    supervised = False

    def __init__(
        self,
        loop: Loop,
        config: RunConfig,
        lifecycle: Lifecycle,
        status: Callable[[], PodStatus],
        segment: SharedSegment,
    ) -> None:
        self.loop = loop
        self.config = config
        self.lifecycle = lifecycle
        self.status = status
        self.workers = Followers()
        self._loggers = Loggers(self)
        self.several = False
        self._name = os.urandom(8).hex()
        self._segment = segment
        self._retired = SharedSegment()
        self._unidentified: dict[DescriptorChannel, None] = {}
        self._metrics = MetricsPage(self, self._retired)
        self._admin: AdminServer
        self._rendezvous: socket.socket | None = None

    @property
    def server(self) -> str:
        """The server's name."""
        return next((name for module, name in _SERVERS if module in sys.modules), "unknown")

    def open(self, admin: socket.socket) -> socket.socket:
        """Answer on the admin port and accept followers; return the socket of the leader's own."""
        pages = Pages(self, self._metrics, self._loggers)
        self._admin = AdminServer(self.loop, admin, pages.answer)
        self._rendezvous = listen_for_followers(admin.getsockname()[1])
        if self._rendezvous is not None:
            self.loop.watch(self._rendezvous, read=self._accept, write=None)
        leader_end, own_worker_end = socket.socketpair()
        self._add(leader_end)
        return own_worker_end

    @property
    def listener(self) -> socket.socket:
        """The admin port's."""
        return self._admin.sockets()[0]

    def sockets(self) -> list[socket.socket]:
        """Return every socket, for a forked child to close."""
        channels = [*self._unidentified, *self.workers.by_channel]
        rendezvous = [self._rendezvous] if self._rendezvous is not None else []
        return [*self._admin.sockets(), *rendezvous, *(channel.sock for channel in channels)]

    def release(self) -> None:
        """Close the retired's descriptor, in a forked child."""
        self._retired.release()

    def _accept(self) -> None:
        assert self._rendezvous is not None
        try:
            sock, _ = self._rendezvous.accept()
        except OSError:
            return
        if is_same_user(sock):
            self._add(sock)
        else:
            sock.close()

    def _add(self, sock: socket.socket) -> None:
        channel = DescriptorChannel(sock, partial(log_event, "ERROR"))
        self._unidentified[channel] = None
        self.loop.watch(sock, read=lambda: self._receive(channel), write=None)

    def _receive(self, channel: DescriptorChannel) -> None:
        try:
            messages = channel.receive()
            for message in messages or ():
                self._handle(channel, message)
        except (ValueError, LookupError, TypeError) as error:  # only its user is known
            log_event("WARNING", f"podready's leader refuses a process: {error}")
            channel.send(HandshakeRefused(str(error)))
            messages = None
        if messages is None:
            self._gone(channel)

    def _handle(self, channel: DescriptorChannel, message: Message | Unreadable) -> None:
        """Handle a message; raises ValueError for one that does not belong here."""
        worker = self.workers.by_channel.get(channel)
        if worker is not None:
            self._handle_worker(worker, message)
        elif not isinstance(message, Handshake):
            raise ValueError(f"it {unexpected(message)}")
        elif message.version != __version__:
            raise ValueError(f"it has podready {message.version}, the leader {__version__}")
        else:
            self._accept_worker(channel, message)

    def _accept_worker(self, channel: DescriptorChannel, handshake: Handshake) -> None:
        """Add a follower, and the numbers and log levels of a leader before this one."""
        segments = [segment_of(fd) for fd in channel.take_descriptors()]
        if not segments:
            raise ValueError("it sent no descriptor")
        segment, *left = segments
        now = self.loop.time()
        worker = WorkerHandle(handshake.pid, channel, now, segment, free_slot(self.workers))
        self._unidentified.pop(channel, None)
        self.workers.by_channel[channel] = worker
        accepted = HandshakeAccepted(self._name)
        channel.send_descriptors(accepted, [self._retired.fd, self._segment.fd])
        if handshake.leader != self._name:  # several followers bring the same memory of it
            for each in left:
                self._metrics.retire(each)
            self._loggers.inherit(handshake.changes)
        self._loggers.send_to(worker)

    def _handle_worker(self, worker: WorkerHandle, message: Message | Unreadable) -> None:
        worker.record(message, self.loop.time())
        match message:
            case Heartbeat():
                serving = sum(each.listening for each in self.workers)
                self.several = self.several or serving > 1
            case HealthReport():
                pass
            case RegistryText():
                self._metrics.receive(worker, message)
            case DebugRequest():
                self._loggers.debug()
            case _:
                raise ValueError(f"it {unexpected(message)}")

    def _gone(self, channel: DescriptorChannel) -> None:
        self.loop.unwatch(channel.sock)
        channel.close()
        self._unidentified.pop(channel, None)
        worker = self.workers.by_channel.pop(channel, None)
        if worker is not None:
            self._metrics.record_gone(worker)
