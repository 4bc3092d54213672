"""A container or a command in a pod's namespaces, as the cluster's process sees it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from typing import TYPE_CHECKING, Protocol

from podready.cluster.sandbox import procfs
from podready.cluster.sandbox.interface import ContainerSpec, ExecResult, ProcessExit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.cluster.sandbox.channel import Message


class CommandRunner(Protocol):
    """What a container needs of its pod to run a command inside."""

    @property
    def apart(self) -> bool:
        """Whether the pod has namespaces of its own."""

    @property
    def sets_user(self) -> bool:
        """Whether a container may run as another user than this process."""

    async def run(self, order: Message) -> ExecResult:
        """Run a command as `order` says, to its end."""


class Task:
    """What a shim in the pod runs: its start and its end are events of the helper's channel."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[Message] = loop.create_future()
        self._handle = -1  # a pidfd: never another process

    def handle(self, message: Message, fds: list[int]) -> bool:
        """Take in one event; True when it is the last one."""
        match message["event"]:
            case "started":
                self._handle = fds[0]
                if not self.started.done():
                    self.started.set_result(message["pid"])
                return False
            case "ended":
                self._finish(message)
            case _:
                self._fail(
                    OSError(message["errno"], os.strerror(message["errno"]), message["what"])
                )
        return True

    def lose(self) -> None:
        """The helper is gone, and with it everything in the pod."""
        self._fail(OSError(errno.ESRCH, "the pod's helper process ended"))
        self._finish({"code": -signal.SIGKILL, "late": False})

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended."""
        if self._handle >= 0:
            try:
                signal.pidfd_send_signal(self._handle, number)
            except ProcessLookupError:
                pass  # ended, and its event is on the way

    def _finish(self, message: Message) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        if not self.ended.done():
            self.ended.set_result(message)

    def _fail(self, error: OSError) -> None:
        if not self.started.done():
            self.started.set_exception(error)
            self.started.exception()  # a caller may no longer be waiting, which is fine


def exit_of(code: int) -> ProcessExit:
    """Return an exit as container runtimes report it; Python gives a signal as a negative code."""
    return ProcessExit(128 - code, signal=-code) if code < 0 else ProcessExit(code)


class ForkedProcess:
    """A container whose PID 1 runs in namespaces of its own; see `interface.Process`."""

    def __init__(self, pod: CommandRunner, task: Task, pid: int, container: ContainerSpec) -> None:
        self.pid = pid
        self._pod = pod
        self._task = task
        self._container = container

    async def wait(self) -> ProcessExit:
        """Return when PID 1 has ended."""
        return exit_of((await asyncio.shield(self._task.ended))["code"])

    def signal(self, number: int) -> None:
        """Send a signal to PID 1 only."""
        self._task.signal(number)

    def kill(self) -> None:
        """SIGKILL PID 1; the kernel then kills all the rest of its PID namespace."""
        self._task.signal(signal.SIGKILL)

    def handles(self, number: int) -> bool:
        """Whether PID 1 has a handler for the signal."""
        return not self._task.ended.done() and procfs.handles(self.pid, number)

    async def exec(
        self, argv: tuple[str, ...], env: Mapping[str, str], timeout: float
    ) -> ExecResult:
        """Run a command in the container's PID and mount namespaces."""
        if self._task.ended.done():
            raise ProcessLookupError(errno.ESRCH, "the container has ended")
        container = self._container
        order = {
            "op": "exec",
            "inside": self.pid,
            "apart": self._pod.apart,
            "argv": argv,
            "env": dict(env),
            "cwd": container.cwd,
            "uid": container.uid if self._pod.sets_user else None,
            "gid": container.gid if self._pod.sets_user else None,
            "timeout": timeout,
        }
        return await self._pod.run(order)
