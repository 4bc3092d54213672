"""The supervisor's worker processes: forked, read from, reaped, and replaced after a while."""

from __future__ import annotations

import gc
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Final

from podready.runtime.admin.worker_handle import WorkerExit, WorkerHandle, free_slot
from podready.runtime.logs import log_event
from podready.runtime.loop.channel import Channel, channel_pair
from podready.runtime.metrics.shared import MetricsSegment

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from podready.runtime.loop.loop import Loop
    from podready.runtime.loop.messages import Message, Unreadable

_FIRST_WAIT: Final = 0.1
_MAX_WAIT: Final = 30.0
_HEALTHY_AFTER: Final = 60.0
"""Seconds; a process that lived this long died of something new, so the wait starts small again."""


class RestartBackoff:
    """How long to wait before a process that died is replaced: doubles from 0.1 s to 30 s."""

    def __init__(self) -> None:
        self._deaths = 0

    def next(self, lived: float) -> float:
        """Return the seconds to wait after a process died that had lived for `lived` seconds."""
        self._deaths = 1 if lived >= _HEALTHY_AFTER else self._deaths + 1
        return float(min(_FIRST_WAIT * 2 ** (self._deaths - 1), _MAX_WAIT))


class WorkerPool:
    """All workers that live. `on_message` is called from the loop."""

    def __init__(
        self, loop: Loop, on_message: Callable[[WorkerHandle, Message | Unreadable], None]
    ) -> None:
        self._loop = loop
        self._on_message = on_message
        self._by_pid: dict[int, WorkerHandle] = {}

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(list(self._by_pid.values()))

    def __len__(self) -> int:
        return len(self._by_pid)

    def __contains__(self, worker: WorkerHandle) -> bool:
        return worker.pid in self._by_pid

    def fork(self) -> tuple[Channel, frozenset[int], MetricsSegment] | None:
        """Fork a worker; in the child return its end of the channel, the signal mask, its segment.

        Signals are held back around the fork, so that none is lost and none reaches the child
        while it still has its parent's handlers; the child takes its own and lifts the mask.
        """
        channel, child_end = channel_pair(partial(log_event, "ERROR"))
        segment = MetricsSegment()
        gc.freeze()  # what exists now stays in pages shared with the child
        mask = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals)))
        pid = os.fork()
        if pid == 0:
            channel.close()
            for sibling in self:
                sibling.segment.close()
            return child_end, mask, segment
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        child_end.close()
        now = self._loop.time()
        worker = WorkerHandle(pid, channel, now, segment, free_slot(self))
        self._by_pid[pid] = worker
        self._loop.watch(channel.sock, read=lambda: self._receive(worker), write=None)
        return None

    def youngest(self) -> WorkerHandle:
        """Return the worker that was forked last."""
        return list(self._by_pid.values())[-1]

    def _receive(self, worker: WorkerHandle) -> None:
        messages = worker.channel.receive()
        if messages is None:
            self._loop.unwatch(worker.channel.sock)
            return
        for message in messages:
            self._on_message(worker, message)

    def broadcast(self, message: Message) -> None:
        """Send a message to every worker."""
        for worker in self:
            worker.channel.send(message)

    def kill_all(self, number: int) -> None:
        """Send a signal to every worker."""
        for worker in self:
            worker.kill(number)

    def wait_for_all(self) -> None:
        """Wait until every worker has ended; for the end of the supervisor itself."""
        while self._by_pid:
            try:
                pid, _status = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            self._by_pid.pop(pid, None)

    def reap(self) -> list[WorkerExit]:
        """Collect every child that ended: our workers and, as PID 1, orphans of other processes."""
        exits: list[WorkerExit] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return exits
            if pid == 0:
                return exits
            worker = self._by_pid.pop(pid, None)
            if worker is not None:
                self._read_last_messages(worker)
                exits.append(WorkerExit(worker, os.waitstatus_to_exitcode(status)))

    def _read_last_messages(self, worker: WorkerHandle) -> None:
        """Read what the worker has sent before it ended, then close its channel."""
        while messages := worker.channel.receive():
            for message in messages:
                self._on_message(worker, message)
        self._loop.unwatch(worker.channel.sock)
        worker.channel.close()

    def sockets(self) -> list[socket.socket]:
        """Return our ends of all channels, for a forked child to close."""
        return [worker.channel.sock for worker in self]
