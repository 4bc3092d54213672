"""Ports for servers that must be told one, which nobody else gets in the meantime."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self


class HeldPort:
    """A TCP port of an address here, which nobody gets who has not asked for its number.

    A bound socket holds it. That does not listen, so the server that the number is given to can
    bind the port too (SO_REUSEADDR or SO_REUSEPORT, which servers set), and as long as no server
    does, connections are refused. A port that was looked up and let go again may be another
    test's a moment later.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind((host, 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Let it go."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
