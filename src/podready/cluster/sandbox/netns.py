"""Pods in namespaces of their own: the way of the container runtimes, without root.

Each pod has its own network (loopback with the pod's address), host name and IPC; each
container its own PID namespace, so the app is PID 1 with all that this means for signals, its
own mounts, and a root file system that keeps what it writes to itself. This process never
enters a namespace: a helper in the pod makes the sockets that `dial` hands out.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podready.cluster.sandbox import procfs
from podready.cluster.sandbox.addresses import AddressPool
from podready.cluster.sandbox.channel import Message, channel, receive, send
from podready.cluster.sandbox.helper_link import HelperLink
from podready.cluster.sandbox.interface import ContainerSpec, ExecResult, Mount
from podready.cluster.sandbox.netns_process import NetnsProcess, Task, exit_of
from podready.cluster.sandbox.output_pipe import OutputPipe
from podready.errors import ClusterError

if TYPE_CHECKING:
    import socket

POD_NETWORK: Final = "10.244.0.0/16"  # what kubeadm and flannel give pods by custom
_START_SECONDS: Final = 10.0
_END_SECONDS: Final = 5.0
_ZYGOTE: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from podready.cluster.sandbox.zygote import main; main()"
)

_LIMITS: Final = (
    "A pod reaches its own containers only: no other pod, no Service, no host, no DNS server.",
    "Memory and CPU limits are not enforced.",
    "The image's file system is this machine's, with the project's files on top.",
)
_NO_USER = "Every container runs as the caller's own user, whatever the image's USER says."
_NO_ROOT = "Containers write to this machine's files: the kernel refuses a private root ({})."


class NetnsPod:
    """One pod: its helper process, its sockets and its containers; see `interface.PodSandbox`."""

    def __init__(self, sandbox: NetnsSandbox, ip: str, hostname: str) -> None:
        self.ip = ip
        self._sandbox = sandbox
        self._hostname = hostname
        self._tasks: dict[int, Task] = {}
        self._ids = itertools.count()
        self._helper: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._link = HelperLink(self._hear)

    @property
    def sets_user(self) -> bool:
        """Whether a container may run as another user than ours."""
        return not self._sandbox.user_namespace

    async def open(self, zygote: socket.socket) -> None:
        """Have the zygote fork this pod's helper, and wait until its network stands."""
        order = {"hostname": self._hostname[:63], "ip": self.ip}
        send(zygote, order, tuple(end.fileno() for end in self._link.theirs))
        self._link.let_go()
        watch = asyncio.create_task(self._watch_helper())
        self._sandbox.keep(watch)
        await asyncio.shield(self._helper)
        self._link.refill()

    async def start(self, container: ContainerSpec) -> NetnsProcess:
        """Start a container as PID 1 of a new PID namespace."""
        log = os.open(container.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            task = self._order(self._start_order(container), log)
        finally:
            os.close(log)
        return NetnsProcess(self, task, await asyncio.shield(task.started), container)

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
        return self._helper.done() and procfs.listening(self._helper.result(), self.ip, port)

    async def close(self) -> None:
        """Kill all containers, end the helper and wait until the kernel has done so."""
        for task in tuple(self._tasks.values()):
            task.signal(9)
        self._link.close()
        try:
            await asyncio.wait_for(self._link.gone.wait(), _END_SECONDS)
        except TimeoutError:
            pass  # a process in uninterruptible sleep: it dies when the kernel lets it
        self._sandbox.forget(self)

    def _start_order(self, container: ContainerSpec) -> Message:
        return {
            "op": "start",
            "argv": container.argv,
            "env": dict(container.env),
            "cwd": container.cwd,
            "uid": container.uid if self.sets_user else None,
            "gid": container.gid if self.sets_user else None,
            "private_root": self._sandbox.private_root,
            "mounts": [_mount_order(mount) for mount in container.mounts],
            "files": self._files(),
        }

    def _files(self) -> dict[str, str]:
        """Return the files that the kubelet writes for every container of a pod."""
        hosts = f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{self.ip}\t{self._hostname}\n"
        names = "search svc.cluster.local cluster.local\noptions ndots:5\n"
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

    def _hear(self, message: Message, fds: list[int]) -> None:
        if "id" in message:
            if self._tasks[message["id"]].hear(message, fds):
                del self._tasks[message["id"]]
        elif message["event"] == "pod":
            self._helper.set_result(message["pid"])
        else:
            self._helper.set_exception(OSError(message["errno"], message["what"]))

    async def _watch_helper(self) -> None:
        """Tell everybody who waits that the helper is gone."""
        await self._link.gone.wait()
        if not self._helper.done():
            self._helper.set_exception(ClusterError("the pod's helper process ended at its start"))
        for task in self._tasks.values():
            task.lose()
        self._tasks.clear()


class NetnsSandbox:
    """Makes pods in namespaces; see `interface.Sandbox`. Begin with `start`."""

    name = "netns"

    def __init__(
        self, zygote: subprocess.Popen[bytes], link: socket.socket, ready: Message
    ) -> None:
        self._zygote = zygote
        self._link = link
        self._addresses = AddressPool(POD_NETWORK)
        self._pods: set[NetnsPod] = set()
        self._watches: set[asyncio.Task[None]] = set()
        self.user_namespace: bool = ready["user_namespace"]
        self.private_root: bool = not ready["no_private_root"]
        self.limits = _limits_of(ready)

    @classmethod
    async def start(cls) -> NetnsSandbox:
        """Start the zygote; ClusterError with the kernel's reason when namespaces are refused."""
        ours, theirs = channel()
        source = str(Path(__file__).parents[3])
        argv = [sys.executable, "-I", "-S", "-c", _ZYGOTE, source]
        zygote = subprocess.Popen(  # noqa: ASYNC220 - a fork of ours, 3 ms, once
            [*argv, str(theirs.fileno()), str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        theirs.close()
        _allow_many_sockets()
        try:
            ready = await asyncio.wait_for(_first_message(ours), _START_SECONDS)
        except TimeoutError:
            ready = {"event": "refused", "what": "the zygote process did not answer"}
        if ready["event"] != "ready":
            ours.close()
            zygote.kill()
            zygote.wait()
            raise ClusterError(f"this kernel refuses namespaces to us: {ready['what']}")
        return cls(zygote, ours, ready)

    async def pod(self, namespace: str, name: str, hostname: str) -> NetnsPod:
        """Make a pod's network and give it an address."""
        del namespace, name  # addresses, not names, tell pods apart here
        pod = NetnsPod(self, self._addresses.take(), hostname)
        self._pods.add(pod)
        try:
            await pod.open(self._link)
        except BaseException:
            await pod.close()
            raise
        return pod

    def keep(self, watch: asyncio.Task[None]) -> None:
        """Hold a reference to a background task until it is done."""
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    def forget(self, pod: NetnsPod) -> None:
        """Take back the address of a closed pod."""
        if pod in self._pods:
            self._pods.discard(pod)
            self._addresses.give_back(pod.ip)

    async def close(self) -> None:
        """End every pod and the zygote."""
        await asyncio.gather(*(pod.close() for pod in tuple(self._pods)))
        self._link.close()
        await asyncio.to_thread(_reap, self._zygote)


def _mount_order(mount: Mount) -> Message:
    return {
        "source": str(mount.source),
        "target": mount.target,
        "read_only": mount.read_only,
        "copy": mount.copy,
    }


def _limits_of(ready: Message) -> tuple[str, ...]:
    limits: tuple[str, ...] = _LIMITS
    if ready["user_namespace"]:
        limits += (_NO_USER,)
    if ready["no_private_root"]:
        limits += (_NO_ROOT.format(ready["no_private_root"]),)
    return limits


async def _first_message(link: socket.socket) -> Message:
    """Return the zygote's first message without blocking the loop."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(link.fileno(), arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(link.fileno())
    received = receive(link)
    return received[0] if received else {"event": "refused", "what": "the zygote process ended"}


def _allow_many_sockets() -> None:
    """Raise this process's soft limit of open files: every pod has a pool of sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _reap(zygote: subprocess.Popen[bytes]) -> None:
    try:
        zygote.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        zygote.kill()
        zygote.wait()
