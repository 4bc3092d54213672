"""The writer: never blocked by its reader, never raising, and honest about what it lost."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podready.runtime.logs.writing import nowait
from podready.runtime.logs.writing.backlog import Backlog
from podready.runtime.logs.writing.nowait import nowait_write
from podready.runtime.logs.writing.writer import WRITERS, LogWriter, start_daemon

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Give a pipe; afterwards stop its writers, then close what is left of it."""
    ends = os.pipe()
    yield ends
    for writer in list(WRITERS):
        writer.close()
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


@pytest.fixture(params=["rwf", "reopened", "polled"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run with each of the ways to write without waiting."""
    if request.param != "rwf":
        monkeypatch.setattr(nowait, "_supports_rwf", lambda fd: False)
    if request.param == "polled":
        monkeypatch.setattr(nowait, "_reopened", lambda fd: None)
    return str(request.param)


def announce(count: int) -> bytes:
    """Make the line that tells losses."""
    return b"dropped %d\n" % count


class Threads:
    """Starts threads and keeps them."""

    def __init__(self) -> None:
        self.started: list[threading.Thread] = []

    def start(self, body: Callable[[], None]) -> threading.Thread | None:
        """Start one."""
        thread = start_daemon(body)
        assert thread is not None
        self.started.append(thread)
        return thread


def no_thread(_body: Callable[[], None]) -> None:
    """Start nothing: what waits is sent by those who log."""


class Written:
    """Opens a descriptor for a writer and lets a test act at each write."""

    def __init__(self, act: Callable[[bytes], None]) -> None:
        self._act = act
        self.sizes: list[int] = []

    def open(self, fd: int) -> Callable[[bytes], int]:
        """Return the function that writes."""
        write = nowait_write(fd)

        def written(data: bytes) -> int:
            self._act(data)
            self.sizes.append(write(data))
            return self.sizes[-1]

        return written


def read_lines(fd: int, until: Callable[[list[bytes]], bool]) -> list[bytes]:
    """Read from a pipe until `until` holds for the lines so far."""
    data = b""
    while not until(lines := data.split(b"\n")[:-1]):
        piece = os.read(fd, 65536)
        assert piece, f"the pipe ended after {len(lines)} lines"
        data += piece
    return lines


def test_lines_reach_a_reader_in_order(pipe: Pipe, way: str) -> None:
    """With room in the pipe each line is out when write returns."""
    writer = LogWriter(pipe[1], announce)
    for number in range(100):
        writer.write(b"%d\n" % number)
    os.close(pipe[1])
    assert os.read(pipe[0], 65536).split() == [b"%d" % number for number in range(100)]


@pytest.mark.slow
def test_a_stalled_reader_blocks_nobody_and_loses_nothing_within_the_bound(
    pipe: Pipe, way: str
) -> None:
    """20,000 lines go into a pipe that nobody reads; all arrive once somebody does."""
    writer = LogWriter(pipe[1], announce)
    for number in range(20_000):
        writer.write(b"%d %s\n" % (number, b"x" * 100))
    lines = read_lines(pipe[0], lambda lines: len(lines) == 20_000)
    assert [int(line.split()[0]) for line in lines] == list(range(20_000))
    assert writer.flush() == 0


def test_over_the_bound_lines_are_dropped_counted_and_announced(pipe: Pipe, way: str) -> None:
    """What is missing is counted at once, and said in the log itself when somebody reads."""
    writer = LogWriter(pipe[1], announce, backlog_bytes=10_000)
    for number in range(5_000):
        writer.write(b"%d %s\n" % (number, b"x" * 90))
    at_once = writer.dropped
    assert at_once > 1000
    lines = read_lines(pipe[0], lambda lines: bool(lines) and lines[-1].startswith(b"dropped"))
    lost = int(lines[-1].split()[1])
    assert lost == at_once
    assert len(lines) - 1 + lost == 5_000
    assert writer.dropped == lost
    assert writer.flush() == 0


def test_long_lines_go_through_a_full_pipe_whole(pipe: Pipe, way: str) -> None:
    """Lines of 100 kB do not fit into a pipe of 64 kB; they arrive in pieces, in order."""
    writer = LogWriter(pipe[1], announce)
    sent = [bytes([65 + number]) * 100_000 for number in range(10)]
    for line in sent:
        writer.write(line + b"\n")
    assert read_lines(pipe[0], lambda lines: len(lines) == 10) == sent


def test_a_reader_that_is_gone_is_met_with_silence(pipe: Pipe, way: str) -> None:
    """EPIPE ends the log, not the app: no exception and no noise."""
    writer = LogWriter(pipe[1], announce)
    os.close(pipe[0])
    for _ in range(3):
        writer.write(b"x\n")
    assert writer.closed
    assert writer.flush() >= 0


def test_a_reader_that_leaves_during_a_stall_ends_the_drain(pipe: Pipe) -> None:
    """The thread that drains does not outlive its reader."""
    threads = Threads()
    writer = LogWriter(pipe[1], announce, start_thread=threads.start)
    writer.write(b"x" * 200_000 + b"\n")
    (drainer,) = threads.started
    os.close(pipe[0])
    drainer.join(10)
    assert not drainer.is_alive()
    assert writer.closed


def test_a_closed_descriptor_is_no_error() -> None:
    """A process may have been started without a stdout."""
    fd = os.dup(1)
    os.close(fd)
    LogWriter(fd, announce).write(b"x\n")


def test_o_nonblock_set_by_a_sibling_loses_nothing(pipe: Pipe) -> None:
    """Another process may set O_NONBLOCK on the shared description."""
    os.set_blocking(pipe[1], False)
    writer = LogWriter(pipe[1], announce)
    for number in range(5_000):
        writer.write(b"%d %s\n" % (number, b"x" * 90))
    assert len(read_lines(pipe[0], lambda lines: len(lines) == 5_000)) == 5_000


def test_flush_gives_up_at_its_deadline(pipe: Pipe) -> None:
    """With a reader that never reads, flush returns how many lines are lost."""
    writer = LogWriter(pipe[1], announce)
    for _ in range(3):
        writer.write(b"x" * 60_000 + b"\n")
    assert writer.flush(0.05) == 2


def test_block_mode_waits_for_the_reader_and_drops_nothing(pipe: Pipe) -> None:
    """For audit logs: with a tiny backlog every line still arrives."""
    writer = LogWriter(pipe[1], announce, backlog_bytes=200_000, block=True)
    lines: list[bytes] = []
    reader = threading.Thread(
        target=lambda: lines.extend(read_lines(pipe[0], lambda lines: len(lines) == 3_000))
    )
    reader.start()
    for number in range(3_000):
        writer.write(b"%d %s\n" % (number, b"x" * 90))
    reader.join(30)
    assert len(lines) == 3_000
    assert writer.dropped == 0


@pytest.mark.slow
def test_threads_do_not_tear_lines_apart(pipe: Pipe) -> None:
    """Eight threads write lines longer than PIPE_BUF; each arrives whole."""
    writer = LogWriter(pipe[1], announce)

    def work(letter: bytes) -> None:
        for _ in range(50):
            writer.write(letter * 20_000 + b"\n")

    threads = [threading.Thread(target=work, args=(bytes([65 + n]),)) for n in range(8)]
    for thread in threads:
        thread.start()
    lines = read_lines(pipe[0], lambda lines: len(lines) == 400)
    for thread in threads:
        thread.join(10)
    assert all(len(set(line)) == 1 for line in lines)


WORKER = """
import os, sys
from podready.runtime.logs.writing.writer import LogWriter
writer = LogWriter(1, lambda count: b"dropped\\n", backlog_bytes=100_000_000)
children = []
for number in range(4):
    pid = os.fork()
    if not pid:
        for turn in range(60):
            size = 100_000 if turn % 3 == 0 else 10
            writer.write(bytes([65 + number]) * size + b"\\n")
        os._exit(writer.flush(60))
    children.append(pid)
sys.exit(sum(os.waitpid(pid, 0)[1] for pid in children))
"""


@pytest.mark.slow
def test_forked_workers_do_not_tear_each_others_lines_apart() -> None:
    """Long and short lines of four processes share one pipe; none is corrupt."""
    ended = subprocess.run(
        [sys.executable, "-c", WORKER], capture_output=True, timeout=100, check=True
    )
    lines = ended.stdout.splitlines()
    assert len(lines) == 240
    assert {(len(line), len(set(line))) for line in lines} == {(100_000, 1), (10, 1)}


SPAWNED = """
import multiprocessing, sys
from podready.runtime.logs.writing.writer import LogWriter

def work(letter):
    writer = LogWriter(1, lambda count: b"dropped\\n", backlog_bytes=100_000_000)
    for turn in range(60):
        size = 100_000 if turn % 3 == 0 else 10
        writer.write(letter * size + b"\\n")
    sys.exit(writer.flush(60))

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(bytes([65 + n]),)) for n in range(4)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    sys.exit(sum(worker.exitcode for worker in workers))
"""


@pytest.mark.slow
def test_spawned_workers_do_not_tear_each_others_lines_apart(tmp_path: Path) -> None:
    """As under uvicorn --workers, whose processes share no memory."""
    (tmp_path / "spawned.py").write_text(SPAWNED)
    ended = subprocess.run(
        [sys.executable, "spawned.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=100,
        check=True,
    )
    lines = ended.stdout.splitlines()
    assert len(lines) == 240
    assert {(len(line), len(set(line))) for line in lines} == {(100_000, 1), (10, 1)}


PARENT = """
import logging, multiprocessing, sys
from podready.runtime import logs

def work(letter, barrier):
    logs.configure("gcp")
    barrier.wait()
    log = logging.getLogger(letter)
    for turn in range(300):
        log.info(letter * (20_000 if turn % 3 == 0 else 10))
    assert logs.log.LOG.writer.flush(60) == 0

if __name__ == "__main__":
    logs.configure("gcp")
    context = multiprocessing.get_context(sys.argv[1])
    if len(sys.argv) > 2:
        context.set_forkserver_preload([sys.argv[2]])
    barrier = context.Barrier(4)
    workers = [context.Process(target=work, args=(letter, barrier)) for letter in "BCD"]
    for worker in workers: worker.start()
    work("A", barrier)
    for worker in workers: worker.join()
    sys.exit(sum(worker.exitcode for worker in workers))
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver", "forkserver preloaded"])
def test_a_process_that_logs_beside_the_children_that_it_starts(
    tmp_path: Path, method: str
) -> None:
    """It had its log before it had children; its first long line makes it take the lock always."""
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "preloaded.py").write_text(
        "from podready.runtime import logs\nlogs.configure('gcp')\n"
    )
    ended = subprocess.run(
        [sys.executable, "parent.py", *method.split()],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path)]),
            "PODREADY_LOG_MAX_LINE": "200000",
        },
        capture_output=True,
        timeout=100,
        check=True,
    )
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    messages = [event["message"] for event in found]
    expected = {letter * size for letter in "ABCD" for size in (10, 20_000)}
    assert len(messages) == 1200
    assert set(messages) == expected


def test_a_forked_child_starts_with_an_empty_backlog(pipe: Pipe) -> None:
    """What the parent has not got out is written by the parent only."""
    code = """
    import os, sys
    from podready.runtime.logs.writing.writer import LogWriter
    writer = LogWriter(1, lambda count: b"dropped\\n")
    for number in range(2000):
        writer.write(b"parent %d %s\\n" % (number, b"x" * 90))
    pid = os.fork()
    if not pid:
        os._exit(writer.flush(0))
    sys.exit(os.waitpid(pid, 0)[1] or writer.flush(30))
    """
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert len(ended.stdout.splitlines()) == 2000


def test_nothing_accepted_is_lost_by_sigkill_while_the_reader_reads() -> None:
    """Lines are out when write returns, so even SIGKILL finds none inside the process.

    The pipe has room for all of them: on a busy machine the reader may not run at all meanwhile.
    """
    code = """
    import os, signal
    from podready.runtime import logs
    logs.select("gcp")
    for number in range(1000):
        logs.log_event("INFO", "line", number=number)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    with (
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=writing) as process,
        os.fdopen(reading, "rb") as log,
    ):
        os.close(writing)
        assert len(log.read().splitlines()) == 1000
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_losses_at_exit_are_said_on_stderr(pipe: Pipe) -> None:
    """A process whose log nobody reads ends in time and says what it could not deliver."""
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    code = """
    from podready.runtime import logs
    logs.select("gcp")
    for number in range(1000):
        logs.log_event("INFO", "line", number=number)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=pipe[1],
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    assert "log lines lost: nobody reads stdout" in ended.stderr


def test_a_signal_handler_may_log_while_its_thread_is_writing(pipe: Pipe) -> None:
    """The inner line waits for the outer one instead of deadlocking or cutting it in two."""

    def interrupt(data: bytes) -> None:
        if data == b"outer\n":
            writer.write(b"inner\n")

    writer = LogWriter(pipe[1], announce, open_write=Written(interrupt).open)
    writer.write(b"outer\n")
    assert read_lines(pipe[0], lambda lines: len(lines) == 2) == [b"outer", b"inner"]


def test_an_interrupted_write_does_not_silence_the_writer(pipe: Pipe) -> None:
    """Ctrl-C in the middle of a line, or a handler that raises SystemExit."""
    errors = iter([KeyboardInterrupt, SystemExit])

    def interrupt(_data: bytes) -> None:
        for error in errors:
            raise error

    writer = LogWriter(pipe[1], announce, open_write=Written(interrupt).open)
    with pytest.raises(KeyboardInterrupt):
        writer.write(b"lost\n")
    with pytest.raises(SystemExit):
        writer.write(b"x" * 5000 + b"\n")
    writer.write(b"next\n")
    assert read_lines(pipe[0], lambda lines: len(lines) == 1) == [b"next"]


def test_lines_that_come_send_those_that_wait(pipe: Pipe) -> None:
    """Without the thread, several at a time, in order: nobody waits for the end of the burst."""
    written = Written(lambda _data: None)
    writer = LogWriter(pipe[1], announce, open_write=written.open, start_thread=no_thread)
    lines = [b"%d %s" % (number, b"x" * 90) for number in range(1500)]
    for line in lines[:1000]:
        writer.write(line + b"\n")
    assert writer.waiting_lines() > 300
    found = os.read(pipe[0], 1 << 20).split(b"\n")[:-1]
    written.sizes.clear()
    for line in lines[1000:1100]:
        writer.write(line + b"\n")
    assert writer.waiting_lines() < 50
    assert sum(written.sizes[:9]) > 30_000  # of lines of 95 bytes
    assert writer.flush() == 0
    found += read_lines(pipe[0], lambda more: len(found) + len(more) == 1100)
    assert found == lines[:1100]


def test_a_closed_writer_forgets_what_was_gathered(pipe: Pipe) -> None:
    """The number of its descriptor may mean another file by then."""
    writer = LogWriter(pipe[1], announce)
    loop = asyncio.new_event_loop()
    writer.write_soon(b"gathered\n", lambda: loop)
    writer.close()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    writer.write(b"late\n")
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


class Reader:
    """Stands for the descriptor: takes as much of each write as it is told, then anything."""

    def __init__(self, takes: list[int], interrupts: list[bytes]) -> None:
        self.takes = takes
        self.data = b""
        self.writer: LogWriter | None = None
        self.interrupts = interrupts

    def __call__(self, data: bytes) -> int:
        """Take a part; before and after, a signal handler may log."""
        self._interrupt()
        size = min(self.takes.pop(0), len(data)) if self.takes else len(data)
        self.data += data[:size]
        self._interrupt()
        if not size:
            raise BlockingIOError
        return size

    def _interrupt(self) -> None:
        if self.interrupts and self.writer is not None:
            self.writer.write(self.interrupts.pop())


SIZES = st.integers(1, 60) | st.sampled_from([4095, 5000, 20_000])


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.lists(SIZES, max_size=40),
    takes=st.lists(st.sampled_from([0, 0, 1, 7, 100, 4096, 100_000]), max_size=40),
    interrupts=st.integers(0, 10),
    soon=st.sets(st.integers(0, 40)),
    block=st.booleans(),
)
def test_whatever_the_descriptor_takes_lines_come_out_whole_and_in_order(
    sizes: list[int], takes: list[int], interrupts: int, soon: set[int], block: bool
) -> None:
    """Parts of lines, nothing at all, signal handlers in between, lines of a loop's turn."""
    ours, theirs = os.pipe()
    inner = [b"inner %d\n" % number for number in range(interrupts)]
    reader = Reader(takes, inner.copy())
    writer = reader.writer = LogWriter(
        theirs, announce, block=block, open_write=lambda _fd: reader, start_thread=no_thread
    )
    loop: Any = type("Loop", (), {"call_soon": lambda self, call: None})()
    lines = [b"%d %s\n" % (number, b"x" * size) for number, size in enumerate(sizes)]
    for number, line in enumerate(lines):
        if number in soon:
            writer.write_soon(line, lambda: loop)
        else:
            writer.write(line)
    try:
        assert writer.flush(30) == 0
    finally:
        writer.close()
        os.close(ours)
        os.close(theirs)
    found = reader.data.splitlines(keepends=True)
    assert [line for line in found if not line.startswith(b"inner")] == lines
    taken = {line for line in found if line.startswith(b"inner")}
    assert len(found) == len(lines) + len(taken)
    assert taken == set(inner[len(reader.interrupts) :])


def burst(writer: LogWriter, count: int = 200) -> None:
    """Log more than a small backlog takes."""
    for number in range(count):
        writer.write(b"%d %s\n" % (number, b"x" * 4000))


def test_a_script_waits_for_a_reader_that_is_slow(pipe: Pipe) -> None:
    """Its main thread, too, as long as no event loop runs in it: nothing is lost."""
    writer = LogWriter(pipe[1], announce, backlog_bytes=10_000, timeout=30)
    lines: list[bytes] = []
    reader = threading.Thread(
        target=lambda: lines.extend(read_lines(pipe[0], lambda lines: len(lines) == 200))
    )
    reader.start()
    burst(writer)
    reader.join(30)
    assert len(lines) == 200
    assert writer.dropped == 0


def test_a_reader_that_does_not_read_at_all_is_waited_for_once(pipe: Pipe) -> None:
    """Until it has read something again: a stall costs a script one wait, not one for each line."""
    writer = LogWriter(pipe[1], announce, backlog_bytes=10_000, timeout=0.5)
    for _ in range(2):
        begin = time.monotonic()
        burst(writer)
        assert 0.5 <= time.monotonic() - begin < 0.5 * 20  # of 200 lines
        os.read(pipe[0], 1 << 16)


@pytest.mark.parametrize("caller", ["coroutine", "callback", "signal handler"])
def test_an_event_loop_never_waits(pipe: Pipe, caller: str) -> None:
    """Whatever it calls; else this would wait for a reader that never comes."""
    writer = LogWriter(pipe[1], announce, backlog_bytes=10_000, timeout=600)

    async def main() -> None:
        if caller == "coroutine":
            burst(writer)
        elif caller == "callback":
            asyncio.get_running_loop().call_soon(burst, writer)
        else:
            before = signal.signal(signal.SIGUSR2, lambda number, frame: burst(writer))
            try:
                os.kill(os.getpid(), signal.SIGUSR2)
            finally:
                signal.signal(signal.SIGUSR2, before)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert writer.dropped > 100


@pytest.mark.parametrize("waits_never", ["PID 1", "trio"])
def test_others_that_never_wait(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, waits_never: str
) -> None:
    """A supervisor with a loop of its own; event loops that asyncio does not know."""
    writer = LogWriter(pipe[1], announce, backlog_bytes=10_000, timeout=600)
    if waits_never == "trio":
        monkeypatch.setitem(sys.modules, "trio", type(sys)("trio"))
    else:
        writer.may_wait = False
    burst(writer)
    assert writer.dropped > 100


def test_block_mode_ends_when_there_is_something_more_important(pipe: Pipe) -> None:
    """It asks while it waits; then lines are kept or dropped as everywhere."""
    writer = LogWriter(pipe[1], announce, backlog_bytes=100_000, block=True)
    asked = 0

    def gives_up() -> bool:
        nonlocal asked
        asked += 1
        return asked == 2

    writer.gives_up = gives_up
    writer.may_wait = False
    burst(writer)
    assert asked == 2
    assert writer.waiting
    assert writer.dropped > 100


def test_a_line_after_half_a_line_on_a_full_disk_begins_anew(tmp_path: Path) -> None:
    """The loss is one line, which the log itself tells; those before and after are whole."""
    code = """
    import resource, signal, sys
    from podready.runtime.logs.writing.writer import LogWriter
    writer = LogWriter(1, lambda count: b"dropped %d\\n" % count)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    writer.write(b"whole\\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))
    writer.write(b"half " + b"x" * 94 + b"\\n")
    writer.flush(10)
    assert writer.dropped == 1
    assert writer.trouble == "File too large (stdout)", writer.trouble
    writer.write(b"lost\\n")
    assert writer.dropped == 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    writer.write(b"after\\n")
    writer.write(b"last\\n")
    assert writer.flush(10) == 0
    assert writer.dropped == 2
    """
    with (tmp_path / "log").open("wb") as file:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=file, timeout=60, check=True
        )
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert lines[0] == b"whole"
    assert lines[1] == b"half " + b"x" * 49
    assert sorted(lines[2:]) == [b"after", b"dropped 2", b"last"]


def test_the_true_reason_is_said_at_the_end() -> None:
    """A disk that is full is no reader who is away."""
    code = """
    from podready.runtime import logs
    logs.select("gcp")
    for number in range(40):
        logs.log_event("INFO", "line", number=number)
    """
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=True,
        )
    assert ended.stderr == "podready: 40 log lines lost: No space left on device (stdout)\n"


def test_losses_that_the_log_has_told_are_not_told_again(pipe: Pipe) -> None:
    """At the end only what is lost at the end."""
    code = """
    import os, sys
    from podready.runtime import logs
    logs.select("gcp")
    for number in range(1500):
        logs.log_event("INFO", "line", number=number, text="x" * 10_000)
    assert logs.dropped_lines() > 500
    sys.stderr.write("full\\n")
    sys.stderr.flush()
    sys.stdin.readline()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=pipe[1],
        stderr=subprocess.PIPE,
    ) as process:
        os.close(pipe[1])
        assert process.stderr is not None
        assert process.stderr.readline() == b"full\n"
        read_lines(pipe[0], lambda lines: bool(lines) and b"lines dropped" in lines[-1])
        assert process.communicate(b"\n", timeout=30)[1] == b""
    assert process.returncode == 0


def test_the_backlog_drops_the_least_severe_lines_first() -> None:
    """An error finds room where debug lines had taken it all."""
    backlog = Backlog(limit=100)
    for level in (10, 20, 10, 20):
        backlog.add(b"x" * 25, level)
    backlog.add(b"error".ljust(25), 40)
    assert backlog.dropped == 1
    backlog.add(b"debug".ljust(25), 10)
    assert backlog.dropped == 2
    taken = [backlog.pop() for _ in range(len(backlog))]
    assert taken[-1].startswith(b"error")
    assert backlog.size == 0


def test_lines_are_taken_out_of_the_backlog_together() -> None:
    """As many as fit, one at least, and what is left is counted right."""
    backlog = Backlog(limit=1000)
    for size in (30, 30, 30, 200, 10):
        backlog.add(b"x" * size, 20)
    assert [len(backlog.take(100)) for _ in range(3)] == [90, 200, 10]
    assert (len(backlog), backlog.size) == (0, 0)
    with pytest.raises(IndexError):
        backlog.take(100)


def test_a_regular_file_takes_everything(tmp_path: Any) -> None:
    """Files do not stall."""
    with (tmp_path / "log").open("wb") as file:
        assert nowait_write(file.fileno())(b"x" * 1_000_000) == 1_000_000
