"""The supervisor's event loop: one thread, `selectors`, timers and signals, nothing else.

asyncio would do the same for 79 ms and 8 MB more (measured); PID 1 must answer probes before
anything of the app is imported, and must stay small beside it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

Callback = Callable[[], None]


class Timer:
    """A callback that is due at a moment; `cancel` makes it never happen."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget the callback."""
        self.callback = None


class Loop:
    """Calls back when a socket is ready, a timer is due or a signal came."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._signals: dict[int, Callback] = {}
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread_waker: tuple[socket.socket, socket.socket] | None = None
        self._posted: deque[Callback] = deque()
        self._running = False

    def time(self) -> float:
        """Return CLOCK_MONOTONIC seconds: a clock set back moves no deadline."""
        return time.monotonic()

    def call_at(self, when: float, callback: Callback) -> Timer:
        """Call back once at `when` (CLOCK_MONOTONIC seconds)."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """Call back once after `seconds`."""
        return self.call_at(self.time() + seconds, callback)

    def accept_threads(self) -> None:
        """Let `call_soon_threadsafe` be used from now on."""
        self._thread_waker = _waker()
        self.watch(self._thread_waker[0], read=self._call_posted, write=None)

    def call_soon_threadsafe(self, callback: Callback) -> None:
        """Call back from the loop's thread; takes no lock, so a signal handler may use it too."""
        assert self._thread_waker is not None
        self._posted.append(callback)
        try:
            self._thread_waker[1].send(b"\0")
        except OSError:  # full: the loop wakes up anyway; or the loop is closed
            pass

    def _call_posted(self) -> None:
        assert self._thread_waker is not None
        self._thread_waker[0].recv(4096)
        while self._posted:
            self._posted.popleft()()

    def watch(self, fd: socket.socket, *, read: Callback | None, write: Callback | None) -> None:
        """Call back while `fd` is readable or writable; with neither, stop watching it."""
        events = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
        known = fd in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(fd)
        elif known:
            self._selector.modify(fd, events, (read, write))
        else:
            self._selector.register(fd, events, (read, write))

    def unwatch(self, fd: socket.socket) -> None:
        """Stop watching `fd`; closing a watched socket without it would leave a dead entry."""
        self.watch(fd, read=None, write=None)

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call back, from the loop, when the signal comes."""
        if self._wake is None:
            self._wake = _waker()
            signal.set_wakeup_fd(self._wake[1].fileno(), warn_on_full_buffer=False)
            self.watch(self._wake[0], read=self._read_signals, write=None)
        self._signals[number] = callback
        signal.signal(number, _wake_only)

    def _read_signals(self) -> None:
        assert self._wake is not None
        try:
            numbers = self._wake[0].recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            self._signals.get(number, _nothing)()

    def run(self) -> None:
        """Call back until `stop`."""
        self._running = True
        while self._running:
            for key, events in self._selector.select(self._until_next()):
                read, write = key.data
                if events & selectors.EVENT_READ and read and fd_is_open(key.fileobj):
                    read()
                if events & selectors.EVENT_WRITE and write and fd_is_open(key.fileobj):
                    write()
            self._call_due()

    def stop(self) -> None:
        """Let `run` return after the present round; `run` may be called again."""
        self._running = False

    def _until_next(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._running:
            return 0.0
        return max(0.0, self._timers[0][0] - self.time()) if self._timers else None

    def _call_due(self) -> None:
        now = self.time()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    def close(self) -> None:
        """Close what the loop opened itself."""
        self._selector.close()
        if self._wake is not None:
            signal.set_wakeup_fd(-1)
        for end in (*(self._wake or ()), *(self._thread_waker or ())):
            end.close()

    def abandon(self, sockets: Iterable[socket.socket] = ()) -> None:
        """In a forked child: restore the signals and close what belongs to the parent."""
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            signal.signal(number, signal.SIG_DFL)
        # Closing the epoll descriptor itself leaves the parent's registrations as they are;
        # unregistering here would remove them for the parent too, for they share one epoll.
        os.close(self._selector.fileno())
        for end in (*(self._wake or ()), *(self._thread_waker or ()), *sockets):
            end.close()


def _waker() -> tuple[socket.socket, socket.socket]:
    """Return the reading and the writing end of something that wakes a loop."""
    pair = socket.socketpair()
    for end in pair:
        end.setblocking(False)
    return pair


def fd_is_open(fileobj: Any) -> bool:
    """Whether the socket is still open: a callback of the same round may have closed it."""
    return bool(fileobj.fileno() >= 0)


def _wake_only(_number: int, _frame: object) -> None:
    """Replace the kernel's default action; the loop reads the wake-up descriptor."""


def _nothing() -> None:
    """Ignore a signal without a callback."""
