"""A child process in a session of its own, with its output read as it comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_JOIN_SECONDS: Final = 5.0


class ChildProcess:
    """One process and its descendants; stdout and stderr are one stream of lines."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.records: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, name="output of the app", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            self.lines.append(line)
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                self.records.append(record)

    @property
    def pid(self) -> int:
        """The process's id, which is its session's too."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone; one that has ended gets none."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """Wait at most `seconds` for the end; return the exit code, or None."""
        try:
            code = self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(_JOIN_SECONDS)  # a descendant may keep the pipe open
        return code

    def kill(self) -> int:
        """Kill the process and all of its session; return the exit code."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        code = self._process.wait()
        self._reader.join(_JOIN_SECONDS)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()
        return code


def end_of(code: int) -> str:
    """Return how a process ended, in words; "" for exit code 0."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}" if code else ""
