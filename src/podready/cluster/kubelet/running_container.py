"""A container that runs: what probes and hooks reach, and how it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Final

from podready.cluster.kubelet.grace import LEAST_SECONDS, GracePeriod
from podready.cluster.kubelet.hooks import HookError, run_hook
from podready.kube.meta import Object, dig

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from podready.cluster.kubelet.container_plan import ContainerPlan
    from podready.cluster.kubelet.context import PodContext
    from podready.cluster.sandbox.interface import ExecResult, Process

_NO_TURN: Final[Callable[[], Awaitable[None]] | None] = None


class RunningContainer:
    """One run of a container. It is a `probe.ProbeTarget`."""

    def __init__(
        self, pod: PodContext, container: Object, plan: ContainerPlan, process: Process
    ) -> None:
        self.process = process
        self.ip = pod.net.ip
        self._pod = pod
        self._container = container
        self._plan = plan
        self._grace: GracePeriod | None = None
        self._ending: asyncio.Task[None] | None = None

    # -- what probes and hooks need -----------------------------------------------------------

    def dial(self) -> socket.socket:
        """Return a socket of the pod's network."""
        return self._pod.net.dial()

    def port(self, wanted: str | int) -> int:
        """Return the number of a port, which may be a name."""
        if isinstance(wanted, int) or wanted.isdigit():
            return int(wanted)
        for port in self._container.get("ports") or ():
            if port.get("name") == wanted:
                return int(port["containerPort"])
        raise LookupError(f'couldn\'t find port "{wanted}" in container {self._container["name"]}')

    async def command(self, argv: tuple[str, ...], timeout: float) -> ExecResult:
        """Run a command inside the container, in the container's environment."""
        return await self.process.exec(argv, self._plan.spec.env, timeout)

    # -- the end ------------------------------------------------------------------------------

    async def end(
        self,
        grace: GracePeriod,
        message: str,
        turn: Callable[[], Awaitable[None]] | None = _NO_TURN,
    ) -> None:
        """Stop the container within `grace`; a second call can only shorten the first one's.

        `turn` is awaited between preStop and the stop signal: sidecars wait for the others.
        """
        if self._ending is None:
            self._grace = grace
            self._ending = asyncio.create_task(self._end(grace, message, turn))
        elif self._grace is not None:
            self._grace.shorten(grace.remaining())
        await asyncio.shield(self._ending)

    def abandon(self) -> list[asyncio.Task[None]]:
        """Return the task that ends the container, if any, for who wants to cancel it."""
        return [self._ending] if self._ending else []

    async def _end(
        self, grace: GracePeriod, message: str, turn: Callable[[], Awaitable[None]] | None
    ) -> None:
        """After killContainer of pkg/kubelet/kuberuntime: preStop, stop signal, SIGKILL."""
        self._pod.normal("Killing", message, self._container["name"])
        gone = asyncio.ensure_future(self.process.wait())
        hook = dig(self._container, "lifecycle", "preStop")
        if hook and grace.remaining() > 0:
            await self._pre_stop(hook, grace)
        if turn is not None and grace.remaining() > 0:
            waiting = asyncio.ensure_future(turn())
            await grace.wait(waiting)
            waiting.cancel()
        if gone.done():
            return
        self._signal(self._plan.stop_signal)
        if not await grace.wait(gone, at_least=LEAST_SECONDS):
            self._signal(signal.SIGKILL)
        await gone

    async def _pre_stop(self, hook: Object, grace: GracePeriod) -> None:
        """Run preStop; a failure becomes an event and changes nothing, a late hook is abandoned."""
        name = self._container["name"]
        began = self._pod.node.clock.monotonic()
        allowed = grace.remaining()
        self._pod.note("prestop", container=name, state="begin")
        running = asyncio.ensure_future(run_hook(hook, self, allowed))
        gone = asyncio.ensure_future(self.process.wait())
        either = asyncio.wait({running, gone}, return_when="FIRST_COMPLETED")
        finished = await grace.wait(either) and running.done()
        seconds = round(self._pod.node.clock.monotonic() - began, 4)
        late = "" if gone.done() else f"not completed in {allowed:.0f} seconds"
        failure = await _failure(running) if finished else late
        running.cancel()
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError, HookError):
            await running
        if failure:
            self._pod.warn("FailedPreStopHook", f"PreStopHook failed: {failure}", name)
        state = "failed" if failure else "end"
        self._pod.note("prestop", container=name, state=state, seconds=seconds)

    def _signal(self, number: int) -> None:
        handled = self.process.handles(number)
        self._pod.note(
            "signal",
            container=self._container["name"],
            signal=signal_name(number),
            handled=handled,
        )
        if number == signal.SIGKILL:
            self.process.kill()
        else:
            self.process.signal(number)


async def _failure(running: asyncio.Future[None]) -> str:
    try:
        await running
    except HookError as error:
        return str(error)
    return ""


def signal_name(number: int) -> str:
    """Return `SIGTERM` for 15, or the number where it has no name (real-time signals)."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
