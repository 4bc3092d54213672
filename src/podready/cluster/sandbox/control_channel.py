"""The cluster's end of a pod helper's channel: orders out, events in, sockets for dialing."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from podready.cluster.sandbox.channel import Message, channel, receive, send

_POOL: Final = 32
_LOW: Final = 16
_TCP: Final = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)

Listener = Callable[[Message, list[int]], None]


class ControlChannel:
    """Speaks with one helper process; made before the helper, which gets `helper_ends`.

    `on_event` is called with every event but sockets; `gone` is set when the helper and
    all its shims have ended.
    """

    def __init__(self, on_event: Listener) -> None:
        self._on_event = on_event
        self._control, control = channel()
        self._dialer, dialer = channel()
        self.helper_ends = (control, dialer)
        self.gone = asyncio.Event()
        self._pool: deque[socket.socket] = deque()
        self._refilling = False
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._receive_event)

    def let_go(self) -> None:
        """Close our copies of the helper's ends, once the helper has its own."""
        for end in self.helper_ends:
            end.close()

    def order(self, message: Message, *fds: int) -> None:
        """Send an order; OSError (EPIPE) when the helper is gone."""
        send(self._control, message, fds)

    def refill(self) -> None:
        """Ask for sockets until the pool is full; they arrive while the loop runs."""
        if self._open and not self._refilling:
            self._refilling = True
            self.order({"op": "sockets", "count": _POOL - len(self._pool)})

    def socket(self) -> socket.socket:
        """Return a socket of the pod's network: from the pool, or made while we wait (~0.2 ms)."""
        if not self._open:
            raise ConnectionRefusedError(111, "the pod is gone")
        if not self._pool:
            self._fetch_one()
        taken = self._pool.popleft()
        taken.setblocking(False)
        if len(self._pool) < _LOW:
            self.refill()
        return taken

    def close(self) -> None:
        """Hang up, which ends the helper; `gone` is set when that is done."""
        if not self._open:
            return
        self._open = False
        while self._pool:
            self._pool.popleft().close()
        self._dialer.close()
        try:
            self._control.shutdown(socket.SHUT_WR)
        except OSError:
            self.abandon()

    def _fetch_one(self) -> None:
        send(self._dialer, {"op": "sockets", "count": 1})
        answer = receive(self._dialer)
        if answer is None:
            raise ConnectionRefusedError(111, "the pod is gone")
        self._add(answer[1])

    def _add(self, fds: list[int]) -> None:
        self._pool.extend(socket.socket(*_TCP, fileno=fd) for fd in fds)

    def _receive_event(self) -> None:
        try:
            received = receive(self._control)
        except BlockingIOError:
            return
        if received is None:
            self.abandon()
            return
        message, fds = received
        if message["event"] != "sockets":
            self._on_event(message, fds)
        elif self._open:
            self._refilling = False
            self._add(fds)
        else:
            for fd in fds:
                os.close(fd)

    def abandon(self) -> None:
        """Close everything, whether or not the helper has ended, and set `gone`."""
        if self._control.fileno() < 0:
            return
        self._open = False
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        self._dialer.close()
        while self._pool:
            self._pool.popleft().close()
        self.gone.set()
