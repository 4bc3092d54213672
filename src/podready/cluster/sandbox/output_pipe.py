"""The output of a command, read while it runs and kept up to a limit."""

from __future__ import annotations

import asyncio
import os
from typing import Final

_KEPT: Final = 10 * 1024  # what the kubelet keeps of a probe's output (maxReadLength in exec.go)


class OutputPipe:
    """A pipe whose reading end drains into memory; more than 10 KiB is read and dropped."""

    def __init__(self) -> None:
        self._inner, self.outer = os.pipe()
        os.set_blocking(self._inner, False)
        self._data = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._inner, self._drain)

    def let_go(self) -> None:
        """Close our copy of the writing end."""
        os.close(self.outer)

    def finish(self) -> bytes:
        """Read what is left, close, and return what was kept."""
        self._loop.remove_reader(self._inner)
        self._drain()
        os.close(self._inner)
        return bytes(self._data)

    def _drain(self) -> None:
        while True:
            try:
                chunk = os.read(self._inner, 65536)
            except BlockingIOError:
                return
            if not chunk:
                self._loop.remove_reader(self._inner)
                return
            self._data += chunk[: _KEPT - len(self._data)]
