"""Writes that wait for nobody: terminals and sockets that nobody reads, with real ones."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import termios
import textwrap
from collections.abc import Iterator

import pytest

from podready.runtime.logs.writing import nowait
from podready.runtime.logs.writing.nowait import Write, nowait_write

Terminal = tuple[int, int]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Give both sides of a pty: ours, which would show it, and the one to write to."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def fill(write: Write, line: bytes) -> int:
    """Write until there is no room; return how many bytes went in. It would hang if it waited."""
    sent = 0
    try:
        while sent < 10_000_000:
            sent += write(line)
    except BlockingIOError:
        pass
    return sent


@pytest.mark.parametrize("way", ["reopened", "polled"])
@pytest.mark.parametrize("line", [b"x" * 300 + b"\n", b"\n" * 200, b"x" * 100_000])
def test_a_terminal_that_nobody_reads_blocks_nobody(
    terminal: Terminal, way: str, line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the terminal may not be opened again, and with the newlines it makes two of."""
    if way == "polled":
        monkeypatch.setattr(nowait, "_reopened", lambda fd: None)
    assert 1000 < fill(nowait_write(terminal[1]), line) < 1_000_000
    assert os.get_blocking(terminal[1])


@pytest.mark.parametrize("way", ["reopened", "polled"])
def test_what_a_terminal_takes_comes_out_in_order(
    terminal: Terminal, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte once, whatever part of a write was taken."""
    if way == "polled":
        monkeypatch.setattr(nowait, "_reopened", lambda fd: None)
    write = nowait_write(terminal[1])
    text = b"".join(b"%d " % number for number in range(30_000))
    sent, seen = 0, b""
    while len(seen) < len(text):
        try:
            sent += write(text[sent:]) if sent < len(text) else 0
        except BlockingIOError:
            pass
        seen += os.read(terminal[0], 65536)
    assert seen == text


def test_a_terminal_that_is_stopped_blocks_nobody(terminal: Terminal) -> None:
    """As by Ctrl-S: nothing goes out until Ctrl-Q."""
    write = nowait_write(terminal[1])
    termios.tcflow(terminal[1], termios.TCOOFF)
    with pytest.raises(BlockingIOError):
        write(b"x\n")
    termios.tcflow(terminal[1], termios.TCOON)
    assert write(b"x\n") == 2


@pytest.mark.slow
def test_a_process_on_a_terminal_that_nobody_reads(terminal: Terminal) -> None:
    """As with `docker run -t` and nobody attached: all of its code runs, and it ends."""
    code = """
    import logging, sys
    from podready.runtime import logs
    logs.configure("gcp")
    for number in range(1000):
        logging.info("line %d %s", number, "x" * 200)
    sys.stderr.write("done\\n")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=terminal[1],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stderr.startswith("done\n")
    assert "log lines lost: nobody reads stdout" in ended.stderr


def test_the_master_side_of_a_terminal_is_not_opened_again(terminal: Terminal) -> None:
    """That would make another terminal, which nobody has."""
    assert nowait_write(terminal[0])(b"x\n") == 2
    assert os.read(terminal[1], 10) == b"x\n"


def test_a_socket_that_nobody_reads_blocks_nobody_on_an_old_kernel() -> None:
    """Without RWF_NOWAIT; other processes' descriptions of it stay as they are."""
    code = """
    import os
    from podready.runtime.logs.writing import nowait
    nowait._supports_rwf = lambda fd: False
    write, sent = nowait.nowait_write(1), 0
    assert write is not None
    try:
        while True:
            sent += write(b"x" * 100_000)
    except BlockingIOError:
        os.write(2, b"%d %d" % (sent, os.get_blocking(1)))
    os._exit(0)
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            timeout=60,
            check=True,
        )
    sent, blocking = map(int, ended.stderr.split())
    assert sent > 10_000
    assert blocking
