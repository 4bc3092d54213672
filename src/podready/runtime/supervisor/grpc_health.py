"""The supervisor's side of the gRPC health service: a small process of its own, kept up to date.

grpcio costs 35 MB and 120 ms and runs threads, so it must live neither in the supervisor, which
forks, nor in a worker, whose interpreter lock an app can hold. The process gets each change of the
three probes as a message, and ends when the channel closes.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from podready.contract import LIVEZ, READYZ, STARTUPZ, Phase
from podready.errors import MissingExtra
from podready.runtime.admin.probes import answer_probe
from podready.runtime.logs import log_event
from podready.runtime.loop.channel import Channel, channel_pair
from podready.runtime.loop.listener import bind, listen
from podready.runtime.loop.messages import Listening, ProbeStatus, ServiceFailed, unexpected
from podready.runtime.supervisor.workers import RestartBackoff

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from podready.runtime.admin.probes import PodStatus
    from podready.runtime.supervisor.state import State

_INTERVAL: Final = 0.25
"""Seconds between two looks at the probes; a shutdown is sent at once."""

_SERVER: Final = "podready.runtime.supervisor.grpc_health_server"


class GrpcHealth:
    """Runs on the supervisor's loop; does nothing unless a port is set."""

    def __init__(self, state: State, status: Callable[[], PodStatus]) -> None:
        self._state = state
        self._status = status
        self._port = state.config.grpc_health_port
        self._channel: Channel | None = None
        self._pid = 0
        self._born = 0.0
        self._sent: dict[str, bool] = {}
        self._backoff = RestartBackoff()

    def start(self) -> None:
        """Start the process; raises MissingExtra where grpcio is not installed."""
        if self._port is None:
            return
        if find_spec("grpc_health") is None or find_spec("grpc") is None:
            raise MissingExtra("run --grpc-health-port", "grpc")
        _claim(self._state.config.admin_host, self._port)
        self._spawn()
        self._tick()

    def _spawn(self) -> None:
        if self._state.lifecycle.phase is Phase.STOPPED:
            return
        config, loop = self._state.config, self._state.loop
        channel, child_end = channel_pair(partial(log_event, "ERROR"))
        self._pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", _SERVER, config.admin_host, str(self._port)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, child_end.sock.fileno(), 0)],
            setsigmask=(),
        )
        child_end.close()
        self._channel, self._sent, self._born = channel, {}, loop.time()
        loop.watch(channel.sock, read=self._receive, write=None)
        self.update()

    def _tick(self) -> None:
        self._state.loop.call_later(_INTERVAL, self._tick)
        self.update()

    def update(self) -> None:
        """Send the process what has changed."""
        if self._channel is None:
            return
        status = self._status()
        now = {}
        for path in (LIVEZ, READYZ, STARTUPZ):
            answer = answer_probe(path, status, verbose=False)
            now[path.lstrip("/")] = answer is not None and answer.status == 200
        if now != self._sent:
            self._sent = now
            self._channel.send(ProbeStatus(now))

    def _receive(self) -> None:
        assert self._channel is not None
        messages = self._channel.receive()
        if messages is None:
            self._ended()
            return
        for message in messages:
            match message:
                case ServiceFailed():
                    log_event("ERROR", message.message)
                case Listening(port):
                    log_event("INFO", f"gRPC health service on port {port}", grpc_health_port=port)
                case _:
                    log_event("ERROR", f"the gRPC health service {unexpected(message)}")

    def _ended(self) -> None:
        """Start another one: without it, gRPC probes would fail a pod that is well."""
        loop = self._state.loop
        self._drop()
        wait = self._backoff.next(loop.time() - self._born)
        log_event("ERROR", f"the gRPC health service has ended; a new one starts in {wait:g}s")
        loop.call_later(wait, self._spawn)

    def _drop(self) -> None:
        if self._channel is not None:
            self._state.loop.unwatch(self._channel.sock)
            self._channel.close()
        self._channel = None

    def sockets(self) -> list[socket.socket]:
        """Return our end of the channel, for a forked worker to close."""
        return [self._channel.sock] if self._channel is not None else []

    def close(self) -> None:
        """End the process, at the end of the supervisor."""
        if self._channel is None:
            return
        self._drop()
        try:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        except (ProcessLookupError, ChildProcessError):  # gone, and reaped with the workers
            pass


def _claim(host: str, port: int) -> None:
    """Find out now whether the port can be had; grpcio binds it only after its long import."""
    with bind(host, port, "--grpc-health-port") as sock:
        listen(sock, "--grpc-health-port")
