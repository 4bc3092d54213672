"""Log lines to a descriptor: synchronous while there is room, never blocked when there is none.

Measured before this was written: a web service whose stdout nobody reads hangs after 225 to 1,084
requests with any of the usual loggers, its health endpoint too, and ignores SIGTERM. Here a line
is written by the caller as long as the pipe takes it, so a SIGKILL loses nothing; when the pipe is
full, lines queue in a bounded backlog that a daemon thread drains. What does not fit is dropped,
least severe first, counted, and reported by one line once the reader is back.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from podready.runtime.logs.writing.backlog import Backlog
from podready.runtime.logs.writing.event_loops import serves_event_loop
from podready.runtime.logs.writing.nowait import PIPE_BUF, in_pieces, nowait_write, wait_writable
from podready.runtime.logs.writing.pipe_lock import PipeLock

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from podready.runtime.logs.writing.nowait import Write

BACKLOG_BYTES: Final = 8 * 1024 * 1024
"""Room for lines while the reader stalls; 1 MiB lost 76 % of a burst of 20 kB lines."""

THREAD_TIMEOUT: Final = 0.05
"""Seconds that a plain thread waits for room before a line is dropped; an event loop never."""

FLUSH_SECONDS: Final = 2.0
"""How long the end of a process waits for a reader that is behind."""

_IDLE: Final = 0
_SENDING: Final = 1
"""A thread is inside: its signal handlers may only queue. The others wait for its lock."""

_BEHIND: Final = 2
"""Lines wait, or the writer is closed."""

_PIECES: Final = 16
"""Sent in a row at most: 64 KiB, the size of a pipe."""

_POLL_SECONDS: Final = 0.1
_BURST_PAUSE: Final = 0.01
"""Seconds for which the thread leaves the sending to those who log."""

_SIBLING_PAUSE: Final = 0.002
"""Seconds to sleep where the pipe is writable, yet a sibling holds it for a long line."""

_READER_GONE: Final = frozenset({errno.EPIPE, errno.EBADF, errno.ECONNRESET, errno.ENOTCONN})
_STALLED: Final = "nobody reads stdout"
_INFO: Final = 20
_WARNING: Final = 30


def start_daemon(body: Callable[[], None]) -> threading.Thread | None:
    """Start a thread and return it; None while the interpreter shuts down."""
    thread = threading.Thread(target=body, name="podready-log", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None  # `flush` sends what waits
    return thread


class LogWriter:
    """Writes whole lines to one descriptor, from any thread, without raising or blocking.

    `announce` makes the line that reports how many were dropped. With `block` the writer waits for
    its reader instead of dropping: for audit logs, where a stalled reader is to stall the app. It
    does so until `gives_up` returns true; then it drops as without `block`. Without `block` a
    thread that serves no event loop waits up to `timeout` seconds for room, unless `may_wait` is
    false. `open_write` returns the function that writes to a descriptor without waiting,
    `start_thread` runs its argument in the background.
    """

    def __init__(
        self,
        fd: int,
        announce: Callable[[int], bytes],
        *,
        backlog_bytes: int = BACKLOG_BYTES,
        block: bool = False,
        timeout: float = THREAD_TIMEOUT,
        open_write: Callable[[int], Write] = nowait_write,
        start_thread: Callable[[Callable[[], None]], threading.Thread | None] = start_daemon,
    ) -> None:
        self._fd = fd
        self._announce = announce
        self.backlog_bytes = backlog_bytes
        self._timeout = timeout
        self._open_write = open_write
        self._start_thread = start_thread
        self.block = block
        self.gives_up: Callable[[], bool] = _never
        self.may_wait = True
        self._soon: deque[bytes] = deque()  # at the end of this turn of the event loop
        self._gathering = 0  # the thread whose loop will release them, while that is to come
        self._pipe_lock = PipeLock(fd)
        self._mark = self._pipe_lock.mark
        self._reset()
        WRITERS.add(self)

    def _reset(self) -> None:
        """Start afresh; also in a forked child, whose parent still owns its own backlog."""
        self._announced = 0  # lost lines that the log itself has reported
        self._soon.clear()
        self._gathering = 0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._backlog = Backlog(self.backlog_bytes)
        self._rest = b""  # what is left of the lines that are being written
        self._split = False  # one of them is half out already
        self._torn = False  # the rest of such a one is lost
        self.trouble = _STALLED  # why lines are lost, if they are
        self._sent = 0  # pieces of the backlog, by any thread
        self._waited_at = -1  # how many there were when a thread waited and no room came
        self._unchecked = 0  # bytes queued since the writer last looked for room
        self._drainer: threading.Thread | None = None
        self._pipe_lock.forget()
        try:
            self._plain_write, self.closed = self._open_write(self._fd), False
            self._write = self._plain_write
        except OSError:
            self.closed = True
        self._state = _BEHIND if self.closed else _IDLE

    @property
    def dropped(self) -> int:
        """How many lines are lost so far, those included that the log has not reported yet."""
        return self._announced + self._backlog.dropped

    @property
    def waiting(self) -> bool:
        """Whether lines wait for the reader."""
        return bool(self._state or self._soon) and not self.closed

    def write(self, line: bytes, level: int = 20) -> None:
        """Write one line, which ends in a newline; `level` decides what is dropped first."""
        with self._lock:
            if self._state or self._soon or len(line) > PIPE_BUF or self._mark[0]:
                self._write_unusual(line, level)
                return
            self._state = _SENDING
            try:
                try:
                    sent = self._write(line)
                except OSError as error:
                    sent = self._failed(error, line)
                if sent < len(line):
                    self._rest, self._split = line[sent:], sent > 0
            finally:  # nothing is called here: a signal handler would find a state half changed
                self._state = _BEHIND if self._rest or self._backlog.count or self.closed else _IDLE
            if self._state:
                self._settle()

    def _write_unusual(self, line: bytes, level: int) -> None:
        """Write a line behind others, a long one, or one that may run into those of siblings."""
        if self._state == _SENDING:  # a signal handler logs while this very thread is sending
            self._backlog.add(line, level)
        elif self._state == _BEHIND and not self._soon and not self.block:
            self._write_behind(line, level)
        else:
            self._send_all(self._soon, line, level)

    def _write_behind(self, line: bytes, level: int) -> None:
        """Queue a line, and look now and then whether there is room again."""
        if self.closed:
            return
        self._queue(line, level)
        self._unchecked += len(line)
        if self._unchecked >= PIPE_BUF:
            self._unchecked = 0
            self._drain()
        if self._drainer is None:
            self._settle()

    def write_soon(self, line: bytes, running_loop: Callable[[], AbstractEventLoop | None]) -> None:
        """Write an INFO line with others of this turn of an event loop: one write for them all.

        Any other line flushes them first, so the order stays; so does the end of the process.
        Without a running loop it is written at once. The loop is asked for only by the first line
        of a turn: before Python 3.12 the answer takes a system call.
        """
        if self._gathering != threading.get_ident():
            loop = None if self.block else running_loop()
            if loop is None:
                self.write(line)
                return
            self._gathering = threading.get_ident()
            loop.call_soon(self.release)
        self._soon.append(line)

    def release(self) -> None:
        """Write what `write_soon` has collected."""
        self._gathering = 0
        with self._lock:
            if self._state != _SENDING:
                self._send_all(self._soon)

    def _send_all(self, soon: deque[bytes], line: bytes = b"", level: int = _INFO) -> None:
        """Send what was gathered, then a line; signal handlers' lines are queued meanwhile."""
        self._gathering = 0  # the turn's own call may never come: its loop may have ended
        self._state = _SENDING
        try:
            for chunk in in_pieces(soon):
                self._put_together(chunk)
            if line:
                self._put(line, level)
        finally:
            self._state = _BEHIND if self._rest or self._backlog.count or self.closed else _IDLE
        if self._state:
            self._settle()

    def _put_together(self, lines: list[bytes]) -> None:
        """Write several lines as one; what the pipe does not take becomes lines again."""
        queue = self.waiting_lines() > 0
        sent = 0 if queue else self._send(b"".join(lines))
        for line in lines:
            if queue:
                self._backlog.add(line, _INFO)
            elif sent < len(line):
                self._rest = line[sent:]  # before what signal handlers have queued meanwhile
                queue = True
            else:
                sent -= len(line)

    def _put(self, line: bytes, level: int) -> None:
        """Write a line now, or queue it behind those that wait."""
        if self.waiting_lines():
            self._backlog.add(line, level)
        else:
            self._rest = line[self._send(line) :]

    def flush(self, seconds: float = FLUSH_SECONDS) -> int:
        """Wait until every line is out or `seconds` are over.

        Return how many lines are lost and not reported in the log: those that still wait, and those
        dropped since the last report.
        """
        deadline = time.monotonic() + seconds
        self.release()
        while True:
            with self._lock:
                progress = self._drain()
                left = deadline - time.monotonic()
                stuck = self._backlog.busy  # a signal handler that interrupted the writer
                if left <= 0 or self.closed or stuck or self._state != _BEHIND:
                    return self._backlog.dropped + self.waiting_lines()
            if progress or not wait_writable(self._fd, min(left, _POLL_SECONDS)):
                continue
            time.sleep(_SIBLING_PAUSE)

    def close(self) -> None:
        """Write no more, also not in the background; what waits is lost.

        For an owner who is about to close the descriptor: its number may soon mean another file.
        """
        with self._changed:
            self.closed, self._state = True, _BEHIND
            self._pipe_lock.leave()
            self._changed.notify_all()

    def waiting_lines(self) -> int:
        """Return how many lines wait, one that is half out included."""
        return len(self._backlog) + (self._rest.count(b"\n") or bool(self._rest))

    def _queue(self, line: bytes, level: int) -> None:
        """Add to the backlog; a thread without an event loop waits a little for room first."""
        if not self._backlog.has_room(len(line)) and self.may_wait and not serves_event_loop():
            self._wait_for_room(len(line))
        self._backlog.add(line, level)

    def _wait_for_room(self, size: int) -> None:
        """Wait for a reader that is slow; once only for one that does not read at all."""
        self._settle()
        if self._sent == self._waited_at or self._drainer is None:  # the interpreter ends
            return
        if not self._changed.wait_for(lambda: self._backlog.has_room(size), self._timeout):
            self._waited_at = self._sent

    def _settle(self) -> None:
        """Send what waits: in the background, or here and now with `block`."""
        while self.block and self.waiting_lines() and not self.closed:
            writable = wait_writable(self._fd, _POLL_SECONDS)
            if self._drain():
                continue
            if self.gives_up():
                self.block = False
            elif writable:
                time.sleep(_SIBLING_PAUSE)
        if self._drainer is None and not self.closed and self.waiting_lines():
            self._drainer = self._start_thread(self._drain_until_done)

    def _send(self, data: bytes) -> int:
        """Send what the descriptor takes at once; return how many bytes are dealt with."""
        if self.closed:
            return len(data)
        try:
            if not self._pipe_lock.enter(long=len(data) > PIPE_BUF):
                return 0
            sent = self._write(data)
        except OSError as error:
            sent = self._failed(error, data)
        self._split = sent < len(data) and (sent > 0 or self._split)
        if not self._split:
            self._pipe_lock.leave()
        return sent

    def _failed(self, error: OSError, data: bytes) -> int:
        """Return how much of the data is dealt with: none without room, else all of it.

        Once the reader is gone the writer is silent for good; a full disk costs the line only.
        """
        if isinstance(error, BlockingIOError):
            return 0
        self._backlog.dropped += data.count(b"\n")
        self.closed = error.errno in _READER_GONE
        self.trouble = f"{error.strerror} (stdout)"
        self._torn = self._torn or self._split
        self._write = self._write_after_trouble
        return len(data)

    def _write_after_trouble(self, data: bytes) -> int:
        """Try again; end half a line that is out before the next, and report the losses."""
        start = b"\n" if self._torn else b""
        sent = self._plain_write(start + data)
        self._write, self.trouble, self._torn = self._plain_write, _STALLED, False
        self._announce_losses()
        return max(sent - len(start), 0)

    def _drain(self) -> bool:
        """Send what waits, oldest first, as far as there is room; say whether anything went out.

        Short lines go several at a time. Not without an end: another thread may want to log.
        """
        if self._state != _BEHIND or self._backlog.busy:
            return False
        before = self._sent
        self._state = _SENDING
        try:
            for _ in range(_PIECES):
                if self.closed or not self._send_piece():
                    break
        finally:
            self._state = _BEHIND if self._rest or self._backlog.count or self.closed else _IDLE
        self._changed.notify_all()
        return self._sent != before

    def _send_piece(self) -> bool:
        """Send one piece; say whether there is more, and room for it."""
        self._rest = self._rest or self._backlog.take(PIPE_BUF)
        sent = self._send(self._rest)
        self._rest = self._rest[sent:]
        self._sent += sent > 0
        if (
            not self.waiting_lines() and self.trouble is _STALLED
        ):  # on a full disk it would be one more
            self._announce_losses()
        return not self._rest and len(self._backlog) > 0

    def _announce_losses(self) -> None:
        """Report in the log itself what is missing from it, now that there is room again."""
        lost, self._backlog.dropped = self._backlog.dropped, 0
        self._announced += lost
        if lost and not self.closed:
            self._backlog.add(self._announce(lost), _WARNING)

    def _drain_until_done(self) -> None:
        """Body of the thread, which lives as long as lines wait: a stall, not the process.

        It is there for the end of a burst. While lines come, they send those that wait: a thread
        beside them would only compete for the interpreter's lock.
        """
        while True:
            seen = self._sent
            writable = wait_writable(self._fd, _POLL_SECONDS)
            with self._lock:
                others = seen != self._sent
                progress = not others and self._drain()
                if self.closed or not self.waiting_lines():
                    self._drainer = None
                    return
            if others:
                time.sleep(_BURST_PAUSE)
            elif writable and not progress:
                time.sleep(_SIBLING_PAUSE)


def _never() -> bool:
    return False


WRITERS: weakref.WeakSet[LogWriter] = weakref.WeakSet()


def _reset_in_child() -> None:
    for writer in WRITERS:
        if not writer.closed:
            writer._reset()


os.register_at_fork(after_in_child=_reset_in_child)
