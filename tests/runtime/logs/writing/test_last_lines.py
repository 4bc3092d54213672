"""Lines that wait for a slow reader when their process ends in a way that runs no atexit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from tests.runtime.conftest import eventually

FILL = """
import logging, os, signal, sys, time
from podready.runtime import logs
from pathlib import Path

def fill(name):
    log = logging.getLogger(name)
    for number in range(100):
        log.info("line %d", number, extra={"text": "x" * 5000})
"""


class Slow:
    """A process whose stdout is read only when the test says so."""

    def __init__(self, folder: Path, code: str) -> None:
        (folder / "main.py").write_text(FILL + textwrap.dedent(code))
        self._folder = folder
        reading, writing = os.pipe()
        self.log = os.fdopen(reading, "rb")
        self.process = subprocess.Popen(
            [sys.executable, "main.py"], cwd=folder, stdout=writing, stderr=subprocess.PIPE
        )
        os.close(writing)

    def has(self, name: str) -> None:
        """Wait until the process has made a file."""
        eventually((self._folder / name).exists, f"{name} is there")

    def lines(self) -> list[dict[str, Any]]:
        """Read everything until all writers have ended."""
        with self.log:
            return [json.loads(line) for line in self.log]

    def end(self) -> int:
        """Wait for the end; nothing may be on stderr."""
        _, said = self.process.communicate(timeout=20)
        assert said == b""
        return self.process.returncode


def test_a_script_that_dies_of_sigterm(tmp_path: Path) -> None:
    """The default action comes after the lines, and is still what it was."""
    slow = Slow(
        tmp_path,
        """
        logs.configure("gcp")
        fill("shop")
        Path("full").touch()
        time.sleep(600)
        """,
    )
    slow.has("full")
    slow.process.terminate()
    assert len(slow.lines()) == 100
    assert slow.end() == -signal.SIGTERM


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("imported", ["before", "after"])
def test_children_of_multiprocessing(tmp_path: Path, method: str, imported: str) -> None:
    """Their last lines come out, although they leave with os._exit."""
    first, second = "import multiprocessing.util", 'logs.configure("gcp")'
    if imported == "after":
        first, second = second, first
    slow = Slow(
        tmp_path,
        f"""
        {first}
        {second}

        def child():
            fill("child")
            Path("full").touch()

        if __name__ == "__main__":
            process = multiprocessing.get_context("{method}").Process(target=child)
            process.start()
            process.join()
            sys.exit(process.exitcode)
        """,
    )
    slow.has("full")
    assert [line["logger"] for line in slow.lines()] == ["child"] * 100
    assert slow.end() == 0


def test_uvicorn_raises_sigterm_again(tmp_path: Path) -> None:
    """Its own way to end: the captured signal once more, with the handler from before."""
    pytest.importorskip("uvicorn")
    slow = Slow(
        tmp_path,
        """
        import uvicorn
        logs.configure("gcp")

        async def app(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.complete"})
            fill("shop")
            Path("full").touch()
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

        uvicorn.run(app, port=0, log_config=None)
        """,
    )
    slow.has("full")
    slow.process.terminate()
    assert sum(line["logger"] == "shop" for line in slow.lines()) == 100
    assert slow.end() == -signal.SIGTERM
