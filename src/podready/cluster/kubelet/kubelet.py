"""The kubelet: registers this machine as a node and runs the pods that are bound to it.

It reaches the cluster through `Client` only, and this machine through `Sandbox`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import random
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podready.clock import SYSTEM_CLOCK, Clock
from podready.cluster.client.informer import Handler, Informer
from podready.cluster.client.recorder import Recorder
from podready.cluster.kubelet.backoff import LONGEST_SECONDS
from podready.cluster.kubelet.context import NodeContext, Sleep
from podready.cluster.kubelet.logs import ContainerLogs
from podready.cluster.kubelet.node import capacity, node_object
from podready.cluster.kubelet.pod_worker import PodWorker
from podready.kube.gvk import NODE, POD
from podready.kube.meta import Object, key, key_of, uid_of
from podready.kube.status import AlreadyExists

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

    from podready.cluster.client.protocol import Client
    from podready.cluster.kubelet.images import ImageStore
    from podready.cluster.sandbox.interface import PodSandbox, Sandbox
    from podready.journal import Journal

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KubeletSettings:
    """What may differ between kubelets; the defaults are Kubernetes' own.

    `sleep` passes the back-off delays and `seed` places the probes, so that a test need not wait
    and a rehearsal can be repeated.
    """

    node_name: str = "podready"
    host_ip: str = "127.0.0.1"
    longest_backoff: float = LONGEST_SECONDS
    seed: int | None = None
    sleep: Sleep = asyncio.sleep
    allocatable: Mapping[str, str] = field(default_factory=capacity)


class Kubelet:
    """One node. `start` registers it and begins; `stop` ends every pod at once."""

    def __init__(
        self,
        client: Client,
        sandbox: Sandbox,
        images: ImageStore,
        journal: Journal,
        state_dir: Path,
        *,
        clock: Clock = SYSTEM_CLOCK,
        settings: KubeletSettings | None = None,
    ) -> None:
        settings = settings or KubeletSettings()
        self.pod_logs = ContainerLogs(state_dir / "logs")
        self._client = client
        self._clock = clock
        self._settings = settings
        self._state_dir = state_dir
        self._recorder = Recorder(client, "kubelet", host=settings.node_name, clock=clock)
        self._events: asyncio.Queue[tuple[Object, str, str, str, str]] = asyncio.Queue()
        self._pods: dict[str, PodWorker] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._node = NodeContext(
            name=settings.node_name,
            client=client,
            sandbox=sandbox,
            images=images,
            journal=journal,
            clock=clock,
            record_event=self._record_event,
            state_dir=state_dir,
            host_ip=settings.host_ip,
            allocatable=settings.allocatable,
            longest_backoff=settings.longest_backoff,
            sleep=settings.sleep,
            phases=random.Random(settings.seed),  # noqa: S311 - spreads probes, guards nothing
        )

    async def start(self) -> None:
        """Register the node and run its pods; returns when the first list of them is known."""
        await self._register()
        informer = Informer(
            self._client, POD, field_selector=f"spec.nodeName={self._settings.node_name}"
        )
        informer.add_handler(Handler(self._add, lambda _, pod: self._add(pod), self._gone))
        self._tasks = [
            asyncio.create_task(informer.run(), name="kubelet pods"),
            asyncio.create_task(self._record_events(), name="kubelet events"),
        ]
        await informer.wait_synced()

    async def stop(self) -> None:
        """End every pod and all work at once; nothing is reported to the API any more."""
        await _cancel(self._tasks)
        await _cancel(list(self._lives.values()))
        await asyncio.gather(*(worker.close() for worker in self._pods.values()))
        for name in ("pods", "logs"):
            shutil.rmtree(self._state_dir / name, ignore_errors=True)

    def sandbox_of(self, namespace: str, pod: str) -> PodSandbox | None:
        """Return the sandbox of a pod of this node, or None when it has none (any more)."""
        worker = next(
            (w for w in self._pods.values() if w.context.key == key(namespace, pod)), None
        )
        return worker.context.sandbox if worker else None

    def dial(self, namespace: str, pod: str) -> socket.socket:
        """Return a fresh non-blocking TCP socket in the pod's network.

        ConnectionRefusedError when the pod is not on this node (any more).
        """
        sandbox = self.sandbox_of(namespace, pod)
        if sandbox is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"pod {namespace}/{pod} is gone")
        return sandbox.dial()

    # -- pods come and go -----------------------------------------------------------------------

    async def _register(self) -> None:
        node = node_object(self._settings.node_name, self._settings.host_ip, self._clock.now())
        with contextlib.suppress(AlreadyExists):
            await self._client.create(NODE, None, node)
        status = {"status": node["status"]}
        await self._client.patch(NODE, None, self._settings.node_name, status, subresource="status")

    def _add(self, pod: Object) -> None:
        uid = uid_of(pod)
        if uid not in self._pods:
            if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
                return
            self._pods[uid] = PodWorker(self._node, pod, self.pod_logs)
            life = asyncio.create_task(self._pods[uid].run(), name=f"pod {key_of(pod)}")
            self._lives[uid] = life
            life.add_done_callback(lambda task: self._buried(uid, task))
        self._pods[uid].update(pod)

    def _gone(self, pod: Object) -> None:
        worker = self._pods.get(uid_of(pod))
        if worker is not None:
            worker.vanish()

    def _buried(self, uid: str, life: asyncio.Task[None]) -> None:
        self._pods.pop(uid, None)
        self._lives.pop(uid, None)
        if not life.cancelled() and (error := life.exception()):
            _LOG.error("a pod worker failed: %r", error, exc_info=error)

    # -- events ---------------------------------------------------------------------------------

    def _record_event(
        self, pod: Object, type_: str, reason: str, message: str, container: str
    ) -> None:
        """Queue an event, so that the work never waits for it."""
        self._events.put_nowait((pod, type_, reason, message, container))

    async def _record_events(self) -> None:
        while True:
            pod, type_, reason, message, container = await self._events.get()
            path = f"spec.containers{{{container}}}" if container else ""
            await self._recorder.event(pod, type_, reason, message, field_path=path)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
