"""The supervisor's worker processes: forked, listened to, reaped."""

from __future__ import annotations

import gc
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podready.runtime.loop.channel import Channel, Message, channel_pair
from podready.runtime.metrics.shared import Shelf

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

    from podready.runtime.loop.loop import Loop


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """What the supervisor knows of one worker."""

    pid: int
    channel: Channel
    born: float
    shelf: Shelf
    slot: int = 0  # a small number that a later worker may get again: a metric's label
    stage: str = "forked"
    progress: float | None = None
    listening: bool = False
    last_beat: float = 0.0
    beat: dict[str, Any] = field(default_factory=dict)
    failure: Message | None = None
    stopped: Message | None = None
    state: Message = field(default_factory=dict)
    retiring: bool = False
    jitter: float = field(default_factory=lambda: 0.9 + os.urandom(1)[0] / 1275)  # 0.9 to 1.1

    def unready(self, now: float) -> set[str]:
        """Return the critical checks that fail, and all of them once their results are stale."""
        failing = set(self.state.get("failing", ()))
        stale_after = self.state.get("stale_after")
        if stale_after is not None and now - self.last_beat > stale_after:
            failing.add("checks-unknown")
        return failing

    def failing_in(self, group: str, now: float) -> list[str] | None:
        """Return the checks of a group that fail; None when this worker knows no such group."""
        names: list[str] | None = self.state.get("groups", {}).get(group)
        if names is None:
            return None
        stale = self.state.get("stale_after")
        return [*names, "checks-unknown"] if stale and now - self.last_beat > stale else names

    def kill(self, number: int) -> None:
        """Send a signal; a worker that is gone already is no error."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def free_slot(workers: Iterable[WorkerHandle]) -> int:
    """Return the lowest number that none of the workers has."""
    taken = {each.slot for each in workers}
    return next(number for number in range(len(taken) + 1) if number not in taken)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended: its exit code, or minus the signal that killed it."""

    worker: WorkerHandle
    code: int

    @property
    def text(self) -> str:
        """The way it ended, in words."""
        if self.code < 0:
            return f"was killed by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"


class Fleet:
    """All workers by process id. `on_message` is called from the loop."""

    def __init__(self, loop: Loop, on_message: Callable[[WorkerHandle, Message], None]) -> None:
        self._loop = loop
        self._on_message = on_message
        self.workers: dict[int, WorkerHandle] = {}

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(list(self.workers.values()))

    def __len__(self) -> int:
        return len(self.workers)

    def fork(self) -> tuple[Channel, frozenset[int], Shelf] | None:
        """Fork a worker; in the child return its end of the channel, the signal mask, its shelf.

        Signals are held back around the fork, so that none is lost and none reaches the child
        while it still has its parent's handlers; the child takes its own and lifts the mask.
        """
        ours, theirs = channel_pair()
        shelf = Shelf()
        gc.freeze()  # what exists now stays in pages shared with the child
        mask = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals)))
        pid = os.fork()
        if pid == 0:
            ours.close()
            for sibling in self:
                sibling.shelf.close()
            return theirs, mask, shelf
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        now = self._loop.time()
        worker = WorkerHandle(pid, ours, now, shelf, free_slot(self), last_beat=now)
        self.workers[pid] = worker
        self._loop.watch(ours.sock, read=lambda: self._receive(worker), write=None)
        return None

    def youngest(self) -> WorkerHandle:
        """Return the worker that was forked last."""
        return list(self.workers.values())[-1]

    def _receive(self, worker: WorkerHandle) -> None:
        messages = worker.channel.receive()
        if messages is None:
            self._loop.unwatch(worker.channel.sock)
            return
        for message in messages:
            self._on_message(worker, message)

    def broadcast(self, kind: str, **fields: Any) -> None:
        """Send one message to every worker."""
        for worker in self:
            worker.channel.send(kind, **fields)

    def kill_all(self, number: int) -> None:
        """Send a signal to every worker."""
        for worker in self:
            worker.kill(number)

    def reap(self) -> list[Exit]:
        """Collect every child that ended, our workers and, as PID 1, orphans of others."""
        exits: list[Exit] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return exits
            if pid == 0:
                return exits
            worker = self.workers.pop(pid, None)
            if worker is not None:
                self._hear_out(worker)
                exits.append(Exit(worker, os.waitstatus_to_exitcode(status)))

    def _hear_out(self, worker: WorkerHandle) -> None:
        """Read what the worker said last, then close its channel."""
        while messages := worker.channel.receive():
            for message in messages:
                self._on_message(worker, message)
        self._loop.unwatch(worker.channel.sock)
        worker.channel.close()

    def sockets(self) -> list[socket.socket]:
        """Return our ends of all channels, for a forked child to close."""
        return [worker.channel.sock for worker in self]
