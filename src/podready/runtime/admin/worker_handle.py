"""A worker as seen by the process that has the admin port, and how a worker ended.

Under `podready run` the supervisor keeps one handle for each worker it has forked, under
`podready.wrap` the leader keeps one for each follower. All may read a handle; only its methods
change it.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podready.runtime.loop.messages import (
    HealthReport,
    Heartbeat,
    Listening,
    Message,
    StartupFailed,
    StartupPhase,
    Stopped,
    Unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.runtime.loop.channel import Channel
    from podready.runtime.metrics.shared import MetricsSegment


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """One worker; times are CLOCK_MONOTONIC seconds."""

    pid: int
    channel: Channel
    born: float
    segment: MetricsSegment
    slot: int = 0  # a small number that a later worker may get again: a metric's label
    startup_phase: str = "forked"
    progress: float | None = None  # in that phase, from 0 to 1
    listening: bool = False
    retiring: bool = False
    last_heartbeat: float = 0.0
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    health: HealthReport = field(default_factory=HealthReport)
    failure: StartupFailed | None = None
    stopped: Stopped | None = None
    jitter: float = field(default_factory=lambda: 0.9 + os.urandom(1)[0] / 1275)  # 0.9 to 1.1

    def __post_init__(self) -> None:
        self.last_heartbeat = self.born

    def record(self, message: Message | Unreadable, now: float) -> None:
        """Remember what a message of the worker says; every message counts as a heartbeat."""
        self.last_heartbeat = now
        match message:
            case Heartbeat():
                self.heartbeat = message
                if message.serving is not None:
                    self.listening = message.serving
            case HealthReport():
                self.health = message
            case StartupPhase():
                self.startup_phase, self.progress = message.phase, message.fraction
            case Listening():
                self.startup_phase, self.listening = "listening", True
            case StartupFailed():
                self.failure = message
            case Stopped():
                self.stopped = message

    def excuse(self, seconds: float) -> None:
        """Take `seconds` off the worker's silence, because this process did not run either."""
        self.last_heartbeat += seconds

    def retire(self) -> None:
        """Count the worker no more among those that serve: it finishes what it has."""
        self.retiring = True

    @property
    def serves(self) -> bool:
        """Whether the worker accepts requests and will go on to."""
        return self.listening and not self.retiring

    def unready(self, now: float) -> set[str]:
        """Return the critical checks that fail, and all of them once their results are stale."""
        return {*self.health.failing, *self._unknown(now)}

    def failing_in(self, group: str, now: float) -> list[str] | None:
        """Return the checks of a group that fail; None when this worker has no such group."""
        names = self.health.groups.get(group)
        return None if names is None else [*names, *self._unknown(now)]

    def _unknown(self, now: float) -> list[str]:
        stale_after = self.health.stale_after
        stale = stale_after is not None and now - self.last_heartbeat > stale_after
        return ["checks-unknown"] if stale else []

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
class WorkerExit:
    """How a worker ended: its exit code, or minus the signal that killed it."""

    worker: WorkerHandle
    code: int

    @property
    def text(self) -> str:
        """How it ended, for the log."""
        if self.code < 0:
            return f"was killed by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"
