"""The loop-back request that proves that the main listener answers.

A probe on the admin port alone would call a pod ready whose main port takes no traffic.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from podready.contract import SELF_TEST_HEADER, SELF_TEST_PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.loop.loop import Loop

_TIMEOUT = 2.0
_GOOD = b"HTTP/1.1 204"
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class SelfTest:
    """One request; calls `done` with True when a worker of this pod has answered it, else False."""

    def __init__(
        self, loop: Loop, address: tuple[str, int], secret: str, done: Callable[[bool], None]
    ) -> None:
        host = _ANY.get(address[0], address[0])
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._loop = loop
        self._done = done
        self._secret = secret
        self._answer = b""
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self._deadline = loop.call_later(_TIMEOUT, lambda: self._finish(good=False))
        self.sock.connect_ex((host, address[1]))
        loop.watch(self.sock, read=None, write=self._connected)

    def _connected(self) -> None:
        head = (
            f"GET {SELF_TEST_PATH} HTTP/1.1\r\nHost: localhost\r\n"
            f"{SELF_TEST_HEADER.decode()}: {self._secret}\r\nConnection: close\r\n\r\n"
        )
        try:
            self.sock.send(head.encode())
        except OSError:
            self._finish(good=False)
        else:
            self._loop.watch(self.sock, read=self._read, write=None)

    def _read(self) -> None:
        try:
            data = self.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._answer += data
        if not data or len(self._answer) >= len(_GOOD):
            self._finish(good=self._answer.startswith(_GOOD))

    def _finish(self, *, good: bool) -> None:
        self.cancel()
        self._done(good)

    def cancel(self) -> None:
        """End the test without a result."""
        self._deadline.cancel()
        if self.sock.fileno() >= 0:
            self._loop.unwatch(self.sock)
            self.sock.close()
