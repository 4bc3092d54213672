"""The life of one container in its pod: start, probe, end, and start again by its policy."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any, Final

from podready.cluster.kubelet.backoff import CrashLoopBackoff, seconds_text
from podready.cluster.kubelet.container_plan import ContainerPlan, plan_container
from podready.cluster.kubelet.environment import ContainerConfigError
from podready.cluster.kubelet.grace import GracePeriod
from podready.cluster.kubelet.hooks import HookError, run_hook
from podready.cluster.kubelet.images import ImageUnavailableError
from podready.cluster.kubelet.logs import ContainerLogs, last_lines
from podready.cluster.kubelet.pod_status import ContainerKind, ContainerRecord
from podready.cluster.kubelet.probes.probe import ProbeKind, ProbeResult, Thresholds, run_probe
from podready.cluster.kubelet.probes.prober import Prober, ProberHooks
from podready.cluster.kubelet.running_container import RunningContainer
from podready.cluster.sandbox.interface import ProcessExit
from podready.kube.meta import Object, dig
from podready.kube.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from podready.cluster.kubelet.context import PodContext

_CONFIG_RETRY: Final = (10.0, 1.0)  # longest and first delay: a missing ConfigMap comes soon
_MESSAGE_BYTES: Final = 4096
_LOG_LINES, _LOG_BYTES = 80, 2048  # FallbackToLogsOnError


class ContainerWorker:
    """Runs one container over and over; `record` is what the pod's status says of it."""

    def __init__(
        self, pod: PodContext, container: Object, kind: ContainerKind, logs: ContainerLogs
    ) -> None:
        self.record = ContainerRecord(container["name"], container["image"], kind)
        self.record.wait("ContainerCreating" if kind is ContainerKind.INIT else "PodInitializing")
        self.task: asyncio.Task[None] | None = None
        self.became_started = asyncio.Event()
        self._pod = pod
        self._container = container
        self._logs = logs
        self._backoff = CrashLoopBackoff(pod.node.longest_backoff)
        self._running: RunningContainer | None = None
        self._probers: dict[ProbeKind, tuple[Prober, asyncio.Task[None]]] = {}
        self._restarts: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def name(self) -> str:
        """The container's name."""
        return self.record.name

    def begin(self) -> asyncio.Task[None]:
        """Start the container's life as a task of its own."""
        self.record.wait("ContainerCreating")
        self.task = asyncio.create_task(self._live(), name=f"{self._pod.key}/{self.name}")
        return self.task

    def trigger_readiness(self) -> None:
        """Let a readiness probe that has not succeeded run now."""
        for prober, _ in self._probers.values():
            prober.trigger()

    async def stop(
        self, grace: GracePeriod, turn: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """End the container for good, within the grace period."""
        self._stopping = True
        self._stop_probing(ProbeKind.LIVENESS, ProbeKind.STARTUP)
        if self._running is not None:
            await self._running.end(grace, f"Stopping container {self.name}", turn)
            if self.task is not None:
                await asyncio.wait({self.task})
        elif self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    async def abandon(self) -> None:
        """Stop caring at once; the end of the sandbox ends the processes."""
        self._stopping = True
        self._stop_probing(*ProbeKind)
        tasks = [*self._restarts, *([self.task] if self.task else [])]
        if self._running is not None:
            tasks += self._running.abandon()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the life -----------------------------------------------------------------------------

    async def _live(self) -> None:
        while True:
            log = self._logs.begin(
                self._pod.namespace, self._pod.name, self.name, self.record.restart_count
            )
            plan = await self._plan(log)
            began = self._pod.node.clock.monotonic()
            code = await self._run(plan)
            self._logs.end(log)
            if self._stopping or not self._starts_again(code):
                return
            await self._back_off(self._pod.node.clock.monotonic() - began)
            if "terminated" in self.record.state:
                self.record.last_state = self.record.state
            self.record.restart_count += 1

    def _starts_again(self, code: int) -> bool:
        policy = self._pod.spec.get("restartPolicy", "Always")
        if self.record.kind is ContainerKind.SIDECAR:
            return True
        if self.record.kind is ContainerKind.INIT:
            return code != 0 and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _plan(self, log: Path) -> ContainerPlan:
        """Resolve the container; as long as something is missing, say so and try again."""
        image_delay = CrashLoopBackoff()
        config_delay = CrashLoopBackoff(*_CONFIG_RETRY)
        while True:
            try:
                plan = await plan_container(self._pod, self._container, log)
            except ImageUnavailableError as error:
                await self._without_image(error, image_delay)
            except ContainerConfigError as error:
                self.record.wait("CreateContainerConfigError", str(error))
                self._pod.warn("Failed", f"Error: {error}", self.name)
                self._pod.changed()
                await self._pod.node.sleep(max(config_delay.after(0), 1.0))
            else:
                return plan

    async def _without_image(self, error: ImageUnavailableError, delay: CrashLoopBackoff) -> None:
        image = self.record.image
        self.record.wait("ErrImagePull", str(error))
        self._pod.warn("Failed", f'Failed to pull image "{image}": {error}', self.name)
        self._pod.warn("Failed", "Error: ErrImagePull", self.name)
        self._pod.changed()
        wait = delay.after(0)
        if wait:
            self.record.wait("ImagePullBackOff", f'Back-off pulling image "{image}": {error}')
            self._pod.normal("BackOff", f'Back-off pulling image "{image}"', self.name)
            self._pod.changed()
            await self._pod.node.sleep(wait)

    async def _back_off(self, ran: float) -> None:
        wait = self._backoff.after(ran)
        if wait <= 0:
            return
        self.record.last_state = self.record.state
        where = f"{self.name} in pod {self._pod.name}_{self._pod.namespace}({self._pod.uid})"
        message = (
            f"back-off {seconds_text(wait)} restarting failed container={self.name} "
            f"pod={self._pod.name}_{self._pod.namespace}({self._pod.uid})"
        )
        self.record.wait("CrashLoopBackOff", message)
        self._pod.warn("BackOff", f"Back-off restarting failed container {where}", self.name)
        self._pod.changed()
        await self._pod.node.sleep(wait)

    # -- one run ------------------------------------------------------------------------------

    async def _run(self, plan: ContainerPlan) -> int:
        """Run the container once and return its exit code."""
        self.record.container_id = f"podready://{uuid.uuid4().hex}"
        self._tell_start()
        try:
            process = await self._pod.net.start(plan.spec)
        except OSError as error:
            return self._not_started(plan, error)
        self._pod.note("started", container=self.name, pid=process.pid)
        self._pod.normal("Started", f"Started container {self.name}", self.name)
        began = self._pod.node.clock.now()
        self._running = RunningContainer(self._pod, self._container, plan, process)
        up = asyncio.create_task(self._come_up(self._running, rfc3339(began)))
        ended = await process.wait()
        up.cancel()
        await self._cease(plan, ended, rfc3339(began))
        return ended.code

    def _tell_start(self) -> None:
        image = self.record.image
        self._pod.normal(
            "Pulled", f'Container image "{image}" already present on machine', self.name
        )
        self._pod.normal("Created", f"Created container: {self.name}", self.name)

    def _not_started(self, plan: ContainerPlan, error: OSError) -> int:
        program = plan.spec.argv[0]
        what = error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            what = "executable file not found in $PATH or its interpreter is missing"
        message = f'failed to start container "{self.name}": exec: "{program}": {what}'
        now = rfc3339(self._pod.node.clock.now())
        self._end_record(128, "StartError", now, message)
        self._pod.warn("Failed", f"Error: {message}", self.name)
        self._pod.note("exited", **self._exit_facts(ProcessExit(128)))
        self._pod.changed()
        return 128

    async def _come_up(self, running: RunningContainer, began: str) -> None:
        """Run postStart, then call the container running and begin to probe it."""
        hook = dig(self._container, "lifecycle", "postStart")
        if hook:
            try:
                await run_hook(hook, running, self._pod.grace_seconds)
            except HookError:
                self._pod.warn("FailedPostStartHook", "PostStartHook failed", self.name)
                self._restart("FailedPostStartHook", self._pod.grace_seconds)
                return
        self.record.state = {"running": {"startedAt": began}}
        self._start_probing(running)
        if ProbeKind.STARTUP not in self._probers:
            self._become_started()
        self._pod.changed()

    def _become_started(self) -> None:
        self.record.started = True
        self.record.ready = ProbeKind.READINESS not in self._probers
        self.became_started.set()

    async def _cease(self, plan: ContainerPlan, ended: ProcessExit, began: str) -> None:
        """Take in the end of a run."""
        self._running = None
        self._stop_probing(*ProbeKind)
        reason = "OOMKilled" if ended.oom else "Completed" if ended.code == 0 else "Error"
        message = _last_words(self._container, plan, ended.code)
        self._end_record(ended.code, reason, began, message)
        self._pod.note("exited", **self._exit_facts(ended))
        self._pod.changed()

    def _end_record(self, code: int, reason: str, began: str, message: str) -> None:
        self.record.started = self.record.ready = False
        ended: dict[str, Any] = {
            "exitCode": code,
            "reason": reason,
            "startedAt": began,
            "finishedAt": rfc3339(self._pod.node.clock.now()),
            "containerID": self.record.container_id,
        }
        self.record.state = {"terminated": ended | ({"message": message} if message else {})}

    def _exit_facts(self, ended: ProcessExit) -> dict[str, Any]:
        return {
            "container": self.name,
            "code": ended.code,
            "signal": ended.signal,
            "oom": ended.oom,
            "restart": self.record.restart_count,
        }

    # -- probes -------------------------------------------------------------------------------

    def _start_probing(self, running: RunningContainer) -> None:
        if self._stopping:
            return
        for kind in ProbeKind:
            probe = self._container.get(kind.field)
            if probe:
                prober = self._prober(kind, probe, running)
                self._probers[kind] = (prober, asyncio.create_task(prober.run()))

    def _prober(self, kind: ProbeKind, probe: Object, running: RunningContainer) -> Prober:
        numbers = Thresholds.of(probe)
        hooks = ProberHooks(
            run=lambda: run_probe(probe, running, numbers.timeout),
            may_run=lambda: self.record.started != (kind is ProbeKind.STARTUP),
            on_result=self._on_result,
            on_change=self._on_change,
        )
        return Prober(kind, numbers, hooks, self._pod.node.clock, self._pod.node.phases.random())

    def _stop_probing(self, *kinds: ProbeKind) -> None:
        for kind in kinds:
            if kind in self._probers:
                self._probers.pop(kind)[1].cancel()

    def _on_result(self, kind: ProbeKind, result: ProbeResult) -> None:
        if result.warning:
            self._pod.warn("ProbeWarning", f"{kind} probe warning: {result.warning}", self.name)
        if not result.ok:
            self._pod.warn("Unhealthy", f"{kind} probe failed: {result.message}", self.name)
            self._pod.note(
                "unready", container=self.name, probe=kind.value.lower(), message=result.message
            )

    def _on_change(self, kind: ProbeKind, ok: bool, result: ProbeResult) -> None:
        del result
        if kind is ProbeKind.READINESS:
            self.record.ready = ok
        elif not ok:
            self._fail(kind)
        elif kind is ProbeKind.STARTUP:
            self._become_started()
            self.trigger_readiness()
        self._pod.changed()

    def _fail(self, kind: ProbeKind) -> None:
        """A liveness or startup probe failed for good: end this run, with the probe's own grace."""
        own = dig(self._container, kind.field, "terminationGracePeriodSeconds")
        grace = self._pod.grace_seconds if own is None else float(own)
        message = f"Container {self.name} failed {kind.value.lower()} probe, will be restarted"
        self._restart(message, grace)

    def _restart(self, message: str, grace: float) -> None:
        if self._running is None:
            return
        ending = self._running.end(GracePeriod(grace, self._pod.node.clock), message)
        task = asyncio.create_task(ending)
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)


def _last_words(container: Object, plan: ContainerPlan, code: int) -> str:
    """Return the termination message: the file's, or the log's end where the policy says so."""
    text = ""
    with contextlib.suppress(OSError):
        text = plan.termination_log.read_bytes()[:_MESSAGE_BYTES].decode(errors="replace")
    if text or code == 0 or container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return text
    return last_lines(plan.spec.log, _LOG_LINES, _LOG_BYTES)
