"""The life of one pod on this node: sandbox, volumes, containers, and its end."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING

from podready.cluster.kubelet.backoff import CrashLoopBackoff
from podready.cluster.kubelet.container_plan import environment_context
from podready.cluster.kubelet.container_worker import ContainerWorker
from podready.cluster.kubelet.context import NodeContext, PodContext
from podready.cluster.kubelet.environment import ContainerConfigError
from podready.cluster.kubelet.grace import LEAST_SECONDS, GracePeriod
from podready.cluster.kubelet.images import ImageUnavailableError
from podready.cluster.kubelet.listening import ports_of, watch_listening
from podready.cluster.kubelet.pod_status import ContainerKind, PodFacts, pod_status
from podready.cluster.kubelet.status_writer import StatusWriter
from podready.cluster.kubelet.volumes import make_volumes, volume_references
from podready.errors import ClusterError
from podready.kube.gvk import POD
from podready.kube.meta import Object, is_deleting
from podready.kube.status import ApiError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podready.cluster.kubelet.logs import ContainerLogs

_LOG = logging.getLogger(__name__)
_RETRY = (10.0, 1.0)  # longest and first delay for a sandbox or volume that cannot be made


class PodWorker:
    """Makes one pod real and reports it until its object is gone from the API."""

    def __init__(self, node: NodeContext, pod: Object, logs: ContainerLogs) -> None:
        self.context = PodContext(node, pod, self._changed)
        self._node = node
        self._logs = logs
        self._start_time = node.clock.now()
        self._containers = _workers(self.context, logs)
        self._writer = StatusWriter(self.context, self._status, self._status_written)
        self._deleted = asyncio.Event()
        self._grace: GracePeriod | None = None
        self._over = False
        self._vanished = False

    # -- what the kubelet calls -----------------------------------------------------------------

    def update(self, pod: Object) -> None:
        """Take in a newer version of the pod's object."""
        self.context.pod = pod
        if is_deleting(pod):
            seconds = pod["metadata"].get("deletionGracePeriodSeconds")
            self._delete(self.context.grace_seconds if seconds is None else float(seconds))

    def vanish(self) -> None:
        """The object is gone (a forced deletion): end what runs within the least grace."""
        self._vanished = True
        self._delete(LEAST_SECONDS)

    def _delete(self, seconds: float) -> None:
        if self._grace is None:
            self._grace = GracePeriod(seconds, self._node.clock)
            self.context.note("deleted", grace=seconds)
            self._deleted.set()
        else:
            self._grace.shorten(seconds)

    # -- the life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the pod from its first container to the removal of its object."""
        writing = asyncio.create_task(self._writer.run())
        living = asyncio.create_task(self._live(), name=self.context.key)
        try:
            await self._deleted.wait()
            await self._finish(living)
        finally:
            await _cancel(living, writing)
            await self.close()
        if not self._vanished:
            await self._remove()
        self._logs.forget(self.context.namespace, self.context.name)

    async def close(self) -> None:
        """End everything at once, without a report to the API; for the node's own end."""
        for worker in self._containers:
            await worker.abandon()
        if self.context.sandbox is not None:
            await self.context.sandbox.close()
        shutil.rmtree(self.context.directory, ignore_errors=True)

    async def _live(self) -> None:
        """Bring the pod up and stay until all its containers have ended for good."""
        self._changed()
        await self._make_sandbox()
        await self._make_volumes()
        ports = asyncio.create_task(self._watch_ports())
        try:
            if await self._run_init():
                main = self._of_kind(ContainerKind.MAIN)
                await asyncio.wait([worker.begin() for worker in main])
            if not self._deleted.is_set():
                await self._end_alone()
                await self._deleted.wait()
        finally:
            await _cancel(ports)

    async def _make_sandbox(self) -> None:
        delay = CrashLoopBackoff(*_RETRY)
        while self.context.sandbox is None:
            try:
                name = self.context.name
                hostname = self.context.spec.get("hostname") or name
                self.context.sandbox = await self._node.sandbox.pod(
                    self.context.namespace, name, hostname
                )
            except (OSError, ClusterError) as error:
                self.context.warn("FailedCreatePodSandBox", f"Failed to create sandbox: {error}")
                await self._node.sleep(max(delay.after(0), 1.0))
        self._changed()

    async def _make_volumes(self) -> None:
        delay = CrashLoopBackoff(*_RETRY)
        while True:
            context = await environment_context(self.context, volume_references(self.context.spec))
            try:
                self.context.volumes = make_volumes(
                    self.context.spec, context, self.context.directory / "volumes"
                )
            except ContainerConfigError as error:
                self.context.warn("FailedMount", f"MountVolume.SetUp failed: {error}")
                await self._node.sleep(max(delay.after(0), 1.0))
            else:
                return

    async def _run_init(self) -> bool:
        """Run init containers in their order; False when one of them ended the pod."""
        for worker in self._containers:
            if worker.record.kind is ContainerKind.INIT:
                await worker.begin()
                if worker.record.exit_code != 0:
                    return False
            elif worker.record.kind is ContainerKind.SIDECAR:
                worker.begin()
                await worker.became_started.wait()
        return True

    async def _end_alone(self) -> None:
        """All containers ended by themselves: end the sidecars, let the address go."""
        grace = GracePeriod(self.context.grace_seconds, self._node.clock)
        await self._stop_all(grace)
        self._changed()
        await self._close_sandbox()

    async def _watch_ports(self) -> None:
        exposed: set[int] = set()
        for container in self.context.spec["containers"]:
            try:
                exposed.update(self._node.images.resolve(container["image"]).config.ports)
            except ImageUnavailableError:
                continue  # the container's own worker says so
        ports = ports_of(self.context.spec, tuple(exposed))
        await watch_listening(self.context, ports, self._is_busy)

    def _is_busy(self) -> bool:
        """Whether ports are likely to open or close now."""
        return self._deleted.is_set() or not all(
            worker.record.ready for worker in self._of_kind(ContainerKind.MAIN)
        )

    # -- the end --------------------------------------------------------------------------------

    async def _finish(self, living: asyncio.Task[None]) -> None:
        """End all containers within the grace period and report to the API how they ended."""
        assert self._grace is not None
        await self._stop_all(self._grace)
        await _cancel(living)
        await self._writer.write()  # the containers have ended, the phase is not yet terminal
        await self._close_sandbox()
        self._over = True
        await self._writer.write()

    async def _stop_all(self, grace: GracePeriod) -> None:
        """All at once, except that sidecars get their signal after the others, last one first."""
        others = [w for w in self._containers if w.record.kind is not ContainerKind.SIDECAR]
        sidecars = self._of_kind(ContainerKind.SIDECAR)
        before: list[asyncio.Task[None]] = [asyncio.create_task(w.stop(grace)) for w in others]
        for worker in reversed(sidecars):
            turn = tuple(before)

            async def my_turn(turn: Sequence[asyncio.Task[None]] = turn) -> None:
                await asyncio.wait(turn)

            before.append(asyncio.create_task(worker.stop(grace, my_turn)))
        await asyncio.gather(*before)

    async def _close_sandbox(self) -> None:
        if self.context.sandbox is not None:
            await self.context.sandbox.close()

    async def _remove(self) -> None:
        """Delete the object for good, as the kubelet does when nothing of the pod is left."""
        pod = self.context
        try:
            await self._node.client.delete(
                POD, pod.namespace, pod.name, grace_period_seconds=0, uid=pod.uid
            )
        except NotFound:
            pass
        except ApiError as problem:
            _LOG.warning("pod %s was not removed: %s", pod.key, problem)

    # -- the status -----------------------------------------------------------------------------

    def _of_kind(self, kind: ContainerKind) -> list[ContainerWorker]:
        return [worker for worker in self._containers if worker.record.kind is kind]

    def _changed(self) -> None:
        self._writer.wake()

    def _status_written(self) -> None:
        for worker in self._containers:
            worker.trigger_readiness()

    def _status(self, previous: Object) -> Object:
        sandbox = self.context.sandbox
        facts = PodFacts(
            pod=self.context.pod,
            containers=[worker.record for worker in self._containers],
            start_time=self._start_time,
            ip=sandbox.ip if sandbox else "",
            host_ip=self._node.host_ip,
            over=self._over,
        )
        before = previous or self.context.pod.get("status") or {}
        return pod_status(facts, before, self._node.clock.now())


def _workers(context: PodContext, logs: ContainerLogs) -> list[ContainerWorker]:
    """Return a worker for each container, init containers first."""
    workers = []
    for container in context.spec.get("initContainers") or ():
        always = container.get("restartPolicy") == "Always"
        kind = ContainerKind.SIDECAR if always else ContainerKind.INIT
        workers.append(ContainerWorker(context, container, kind, logs))
    workers += [
        ContainerWorker(context, container, ContainerKind.MAIN, logs)
        for container in context.spec["containers"]
    ]
    if workers[0].record.kind is ContainerKind.MAIN:
        for worker in workers:
            worker.record.wait("ContainerCreating")
    return workers


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
