"""Pods whose processes a zygote forks: what `netns` and `plain` share.

This process never enters a namespace and never forks: a small zygote process forks one helper a
pod, and the helper a shim for each container. See `zygote`, `pod_helper` and `container`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from typing import Any, ClassVar, Final

from podready.cluster.sandbox import procfs
from podready.cluster.sandbox.channel import Message, send
from podready.cluster.sandbox.control_channel import ControlChannel
from podready.cluster.sandbox.forked_process import ForkedProcess, Task, exit_of
from podready.cluster.sandbox.interface import ContainerSpec, ExecResult, Mount, SandboxChoice
from podready.cluster.sandbox.network import sock_diag
from podready.cluster.sandbox.network.addresses import AddressPool
from podready.cluster.sandbox.network.node_network import NodeNetwork
from podready.cluster.sandbox.output_pipe import OutputPipe
from podready.cluster.sandbox.zygote_process import ZygoteProcess
from podready.errors import ClusterError
from podready.kube.addresses import CLUSTER_DOMAIN, DNS_ADDRESS, HOST_ADDRESS, HOST_NAME

_END_SECONDS: Final = 5.0


class ForkedPod:
    """One pod: its helper process, its sockets and its containers; see `interface.PodSandbox`."""

    def __init__(self, sandbox: ForkedSandbox, ip: str, namespace: str, hostname: str) -> None:
        self.ip = ip
        self._sandbox = sandbox
        self._namespace = namespace
        self._hostname = hostname
        self._tasks: dict[int, Task] = {}
        self._ids = itertools.count()
        self._helper: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._diag: socket.socket | None = None
        self._link = ControlChannel(self._handle)

    @property
    def sets_user(self) -> bool:
        """Whether a container may run as another user than this process."""
        return self._sandbox.sets_user

    @property
    def apart(self) -> bool:
        """Whether the pod has namespaces of its own."""
        return self._sandbox.apart

    async def open(self, zygote: socket.socket) -> None:
        """Have the zygote fork this pod's helper, and wait until its network is up."""
        apart, node = self._sandbox.apart, self._sandbox.service_network
        order = {"op": "pod", "hostname": self._hostname[:63], "ip": self.ip, "apart": apart}
        fds = [end.fileno() for end in self._link.helper_ends]
        send(zygote, order, (*fds, node.namespace) if node else tuple(fds))
        self._link.let_go()
        watch = asyncio.create_task(self._watch_helper())
        self._sandbox.keep(watch)
        await asyncio.shield(self._helper)
        self._link.refill()

    async def start(self, container: ContainerSpec) -> ForkedProcess:
        """Start a container under a shim of its own."""
        log = os.open(container.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            task = self._order(self._start_order(container), log)
        finally:
            os.close(log)
        return ForkedProcess(self, task, await asyncio.shield(task.started), container)

    async def run(self, order: Message) -> ExecResult:
        """Run a command as `order` says, to its end."""
        output = OutputPipe()
        try:
            task = self._order(order, output.outer)
            output.let_go()
            await asyncio.shield(task.started)
            end = await asyncio.shield(task.ended)
        finally:
            kept = output.finish()
        return ExecResult(exit_of(end["code"]).code, kept, timed_out=end["late"])

    def dial(self) -> socket.socket:
        """Return a fresh socket of the pod's network."""
        return self._link.socket()

    def listening(self, port: int) -> bool:
        """Whether a process of the pod accepts connections on `ip`:`port`."""
        if self._diag is not None:
            return sock_diag.listening(self._diag, self.ip, port)
        return self._helper.done() and procfs.listening(self._helper.result(), self.ip, port)

    async def close(self) -> None:
        """Kill all containers, end the helper and wait until the kernel has done so."""
        for task in tuple(self._tasks.values()):
            task.signal(9)
        self._link.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._link.gone.wait()
        except TimeoutError:
            self._link.abandon()  # a process in uninterruptible sleep dies when the kernel lets it
        diag, self._diag = self._diag, None
        if diag is not None:
            diag.close()
        self._sandbox.forget(self)

    def _start_order(self, container: ContainerSpec) -> Message:
        return {
            "op": "start",
            "argv": container.argv,
            "env": dict(container.env),
            "cwd": container.cwd,
            "uid": container.uid if self._sandbox.sets_user else None,
            "gid": container.gid if self._sandbox.sets_user else None,
            "apart": self._sandbox.apart,
            "private_root": self._sandbox.private_root,
            "mounts": [_mount_order(mount) for mount in container.mounts],
            "files": self._files(),
            "read_only": container.read_only,
        }

    def _files(self) -> dict[str, str]:
        """Return the files that the kubelet writes for every container of a pod."""
        hosts = f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{self.ip}\t{self._hostname}\n"
        services = f"svc.{CLUSTER_DOMAIN}"
        places = f"{self._namespace}.{services} {services} {CLUSTER_DOMAIN}"
        names = f"search {places}\noptions ndots:5\n"
        if self._sandbox.service_network is not None:
            hosts += f"{HOST_ADDRESS}\t{HOST_NAME}\n"
            names += f"nameserver {DNS_ADDRESS}\n"
        return {
            "/etc/hosts": hosts,
            "/etc/resolv.conf": names,
            "/etc/hostname": f"{self._hostname}\n",
        }

    def _order(self, order: Message, fd: int) -> Task:
        task = Task()
        number = next(self._ids)
        self._tasks[number] = task
        try:
            self._link.order({**order, "id": number}, fd)
        except OSError:
            del self._tasks[number]
            raise
        return task

    def _handle(self, message: Message, fds: list[int]) -> None:
        if "id" in message:
            if self._tasks[message["id"]].handle(message, fds):
                del self._tasks[message["id"]]
        elif message["event"] == "pod":
            self._diag = socket.socket(fileno=fds[0]) if fds else None
            self._helper.set_result(message["pid"])
        else:
            self._helper.set_exception(OSError(message["errno"], message["what"]))

    async def _watch_helper(self) -> None:
        """Fail every caller that waits for the helper, which is gone."""
        await self._link.gone.wait()
        if not self._helper.done():
            self._helper.set_exception(ClusterError("the pod's helper process ended at its start"))
        for task in self._tasks.values():
            task.lose()
        self._tasks.clear()


class ForkedSandbox:
    """Makes pods by a zygote; see `interface.Sandbox`. Begin with `start`."""

    name: str
    network: str
    apart: ClassVar[bool]
    """Whether pods have namespaces of their own."""
    pod_class: ClassVar[type[ForkedPod]] = ForkedPod

    def __init__(self, zygote: ZygoteProcess) -> None:
        self._zygote = zygote
        self._addresses = AddressPool(self.network)
        self._pods: set[ForkedPod] = set()
        self._watches: set[asyncio.Task[None]] = set()
        self.private_root = zygote.private_root
        self.sets_user = self.apart and zygote.sets_user
        self.limits: tuple[str, ...] = ()
        self.service_network: NodeNetwork | None = None
        self.choice = SandboxChoice(self.name)

    @property
    def host_name(self) -> str:
        """The name by which a pod reaches this machine."""
        if not self.apart:
            return "127.0.0.1"
        return HOST_NAME if self.service_network else ""

    @classmethod
    async def start(cls) -> Any:
        """Start the zygote; ClusterError with the kernel's reason when it is refused."""
        return cls(await ZygoteProcess.start(apart=cls.apart))

    async def pod(self, namespace: str, name: str, hostname: str) -> ForkedPod:
        """Make a pod's helper and give it an address."""
        del name  # addresses, not names, identify pods here
        pod = self.pod_class(self, self._addresses.take(), namespace, hostname)
        self._pods.add(pod)
        try:
            await pod.open(self._zygote.link)
        except BaseException:
            await pod.close()
            raise
        return pod

    def keep(self, watch: asyncio.Task[None]) -> None:
        """Hold a reference to a background task until it is done."""
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    def forget(self, pod: ForkedPod) -> None:
        """Take back the address of a closed pod."""
        if pod in self._pods:
            self._pods.discard(pod)
            self._addresses.give_back(pod.ip)

    async def close(self) -> None:
        """End every pod and the zygote."""
        await asyncio.gather(*(pod.close() for pod in tuple(self._pods)))
        if self.service_network is not None:
            self.service_network.close()
        await self._zygote.close()


def _mount_order(mount: Mount) -> Message:
    return {
        "source": str(mount.source),
        "target": mount.target,
        "read_only": mount.read_only,
        "copy": mount.copy,
    }
