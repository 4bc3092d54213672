"""`LocalCluster`: a Kubernetes on this machine, from its first object to its last process.

The only file that knows every part. Parts start in the order in which they need one another
and stop in the opposite one:

1. sandbox: the zygote is forked first, while this process has no threads and few files;
2. registry and API server: everything after them uses it;
3. informers, then controllers and scheduler: a controller begins with a full cache;
4. kubelet: registers the node, after which the scheduler has somewhere to put pods;
5. proxy, since it dials through the kubelet, and DNS.

Nothing outlives the cluster: pods end with the kubelet, processes with the sandbox (whose
helpers also die with this process, however it ends), files with the run directory.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from podready.clock import SYSTEM_CLOCK, Clock
from podready.cluster import scheduler
from podready.cluster.apiserver.registry import Registry
from podready.cluster.apiserver.server import ApiServer
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.informer import Informer
from podready.cluster.controllers import deployment, endpointslice, garbage, namespace, replicaset
from podready.cluster.dns.server import ClusterDns
from podready.cluster.kubelet.images import ProjectImages
from podready.cluster.kubelet.kubelet import Kubelet, KubeletSettings
from podready.cluster.proxy.proxy import Proxy, ProxySettings
from podready.cluster.reconcile.context import ControllerContext
from podready.cluster.reconcile.jitter import Jitter
from podready.cluster.sandbox.choose import choose
from podready.cluster.sandbox.interface import Sandbox
from podready.journal import FileJournal
from podready.kube.gvk import EVENT, RESOURCES

_BUILDERS = (deployment, replicaset, endpointslice, garbage, namespace, scheduler)


@dataclass(frozen=True, slots=True)
class LocalClusterConfig:
    """The settings of a local cluster.

    `run_dir` (mode 0700, the caller's to remove) receives kubeconfig, journal, logs and sockets.
    `endpoint_lag` is the mean time in seconds until a node's proxy sees an endpoint change;
    `nodes` is the number of proxies. `port` 0 takes any free port for the API server.
    `host_ports` are TCP ports of this machine's loopback that pods reach at `host_name`.
    """

    project_root: Path
    dockerfile: Path
    run_dir: Path
    sandbox: str = "auto"
    endpoint_lag: float = 1.0
    nodes: int = 3
    seed: int = 0
    port: int = 0
    host_ports: tuple[int, ...] = ()


class LocalCluster:
    """Starts in `async with`, and has ended when the block has."""

    def __init__(self, config: LocalClusterConfig, clock: Clock = SYSTEM_CLOCK) -> None:
        self._config = config
        self._clock = clock
        self._stack = AsyncExitStack()
        self.kubeconfig = config.run_dir / "kubeconfig"
        self.journal_path = config.run_dir / "journal.jsonl"
        self.dialer_path = config.run_dir / "dialer.sock"
        self.nodes = config.nodes
        self.url = ""
        self.sandbox_name = ""
        self.host_name = ""
        self.limits: tuple[str, ...] = ()
        self.dns: ClusterDns | None = None
        self.facts: dict[str, str | int | float] = {}

    async def __aenter__(self) -> Self:
        """Start every part; what has started is stopped again when a later part cannot."""
        began = time.perf_counter()
        try:
            await self._start(began)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop every part, the last one started first."""
        await self._stack.aclose()

    async def _start(self, began: float) -> None:
        config = self._config
        sandbox = await self._start_sandbox()
        journal = FileJournal(self.journal_path, self._clock)
        self._stack.callback(journal.close)
        registry = Registry(clock=self._clock)
        client = InProcessClient(registry)
        images = ProjectImages(config.project_root, config.dockerfile)
        kubelet = Kubelet(
            client,
            sandbox,
            images,
            journal,
            config.run_dir,
            clock=self._clock,
            settings=KubeletSettings(seed=config.seed),
        )
        await self._start_api(registry, kubelet, began)
        await self._start_controllers(client)
        await kubelet.start()
        self._stack.push_async_callback(kubelet.stop)
        await self._start_traffic(client, kubelet, sandbox, journal)

    async def _start_traffic(
        self, client: InProcessClient, kubelet: Kubelet, sandbox: Sandbox, journal: FileJournal
    ) -> None:
        config, network = self._config, sandbox.service_network
        settings = ProxySettings(
            self.dialer_path,
            config.nodes,
            config.endpoint_lag,
            seed=config.seed,
            host_ports=config.host_ports,
        )
        self.proxy = Proxy(client, kubelet.dial, settings, journal, self._clock, network)
        await self.proxy.start()
        self._stack.push_async_callback(self.proxy.stop)
        if network is not None:
            self.dns = ClusterDns(client, network)
            await self.dns.start()
            self._stack.push_async_callback(self.dns.stop)

    @property
    def asked_outside(self) -> tuple[str, ...]:
        """Names outside the cluster that pods looked up without an answer."""
        return tuple(self.dns.asked_outside) if self.dns else ()

    async def _start_sandbox(self) -> Sandbox:
        sandbox = await choose(self._config.sandbox)
        self._stack.push_async_callback(sandbox.close)
        self.sandbox_name, self.limits = sandbox.name, sandbox.limits
        self.host_name = sandbox.host_name
        return sandbox

    async def _start_api(self, registry: Registry, kubelet: Kubelet, began: float) -> None:
        api = ApiServer(registry, pod_logs=kubelet.pod_logs, clock=self._clock)
        await api.start(port=self._config.port)
        self._stack.push_async_callback(api.stop)
        api.write_kubeconfig(self.kubeconfig)
        self.url = api.url
        self.facts["API server answering after, s"] = round(time.perf_counter() - began, 3)

    async def _start_controllers(self, client: InProcessClient) -> None:
        watched = [resource for resource in RESOURCES if resource != EVENT]
        informers = {resource: Informer(client, resource) for resource in watched}
        context = ControllerContext(client, informers, self._clock, Jitter(seed=self._config.seed))
        tasks = [asyncio.create_task(each.run()) for each in informers.values()]
        self._stack.push_async_callback(_cancel, tasks)
        for informer in informers.values():
            await informer.wait_synced()
        for module in _BUILDERS:
            controller = module.build(context)
            await controller.start()
            self._stack.push_async_callback(controller.stop)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
