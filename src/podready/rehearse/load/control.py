"""The pipe to the driver: the plan and `stop` come in, JSON lines go out.

Standard input is read by a thread with os.read alone, so that it may be a pipe, a file or a
terminal, and so that a read still waiting at exit holds no interpreter lock.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

STDIN, STDOUT = 0, 1


class StopCommand:
    """The driver's order to stop, or the end of its pipe, which means the same."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.timeout: float | None = None

    async def wait(self) -> None:
        """Return when the driver has asked."""
        await self._asked.wait()

    def listen(self, rest: bytes) -> None:
        """Begin to listen; `rest` is what was read after the plan's line."""
        loop = asyncio.get_running_loop()

        def on_line(line: bytes) -> None:
            try:
                loop.call_soon_threadsafe(self._read_order, line)
            except RuntimeError:
                pass  # the loop is closed: the load is over

        threading.Thread(target=_read_lines, args=(rest, on_line), daemon=True).start()

    def _read_order(self, line: bytes) -> None:
        parts = line.split()
        if parts[:1] == [b"stop"] or not parts:
            self.timeout = float(parts[1]) if len(parts) > 1 else None
            self._asked.set()


def read_plan_line() -> tuple[bytes, bytes]:
    """Return the first line of standard input, and what came with it after its end."""
    read = b""
    while b"\n" not in read:
        chunk = os.read(STDIN, 65536)
        if not chunk:
            break
        read += chunk
    line, _, rest = read.partition(b"\n")
    return line, rest


def _read_lines(rest: bytes, on_line: Callable[[bytes], None]) -> None:
    """Call `on_line` with each line; with an empty one at the end of the input."""
    while True:
        *lines, rest = rest.split(b"\n")
        for line in lines:
            on_line(line or b"ignored")
        chunk = os.read(STDIN, 4096)
        if not chunk:
            on_line(b"")
            return
        rest += chunk


class ProgressWriter:
    """Writes JSON lines; while the load runs, a line that would have to wait is left out."""

    def __init__(self) -> None:
        self._pipe = stat.S_ISFIFO(os.fstat(STDOUT).st_mode)

    def progress(self, fact: dict[str, Any]) -> None:
        """Write a line if it can be written at once: the load never waits."""
        if self._pipe:
            os.set_blocking(STDOUT, False)
        try:
            os.write(STDOUT, orjson.dumps(fact) + b"\n")
        except BlockingIOError:
            pass  # the next line says the same and more
        finally:
            if self._pipe:
                os.set_blocking(STDOUT, True)

    def last(self, fact: dict[str, Any]) -> None:
        """Write the last line, however long that takes."""
        sys.stdout.buffer.write(orjson.dumps(fact) + b"\n")
        sys.stdout.buffer.flush()
