"""How a pod becomes processes: one interface, one file for each way.

The kubelet knows only these names. `netns` gives each pod its own network and each container
its own PID namespace, without root where the kernel allows it; `plain` starts ordinary
processes and says in `limits` what that cannot show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path that the container sees at `target`.

    With `copy`, what the container writes there stays its own and ends with it.
    """

    source: Path
    target: str
    read_only: bool = False
    copy: bool = False


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """All that is needed to start one container; already resolved, nothing left to look up.

    `argv` is ENTRYPOINT + CMD as the image and the pod spec give them (shell form included as
    `/bin/sh -c …`); `log` is the file both output streams are appended to. With `read_only`
    nothing can be written but in `mounts` that are neither read-only nor copies.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    log: Path
    mounts: tuple[Mount, ...] = ()
    hostname: str = ""
    uid: int | None = None
    gid: int | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended, as a container runtime reports it.

    `code` is 128 + signal when a signal ended it; `oom` when the memory limit did.
    """

    code: int
    signal: int = 0
    oom: bool = False


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What an exec probe or hook gave; `timed_out` when it was killed for being late."""

    code: int
    output: bytes
    timed_out: bool = False


class Process(Protocol):
    """A running container: its PID 1 and all its descendants."""

    pid: int
    """PID 1 of the container, as this host numbers it."""

    async def wait(self) -> ProcessExit:
        """Return when PID 1 has ended; may be awaited more than once."""

    def signal(self, number: int) -> None:
        """Send a signal to PID 1 only, as the kubelet does."""

    def kill(self) -> None:
        """SIGKILL the whole container."""

    def handles(self, number: int) -> bool:
        """Whether PID 1 has a handler for the signal (SigCgt of /proc/<pid>/status)."""

    async def exec(
        self, argv: tuple[str, ...], env: Mapping[str, str], timeout: float
    ) -> ExecResult:
        """Run a command inside the container; killed after `timeout` seconds."""


class PodSandbox(Protocol):
    """The network (and what else containers of one pod share) of one pod."""

    ip: str

    async def start(self, container: ContainerSpec) -> Process:
        """Start a container; OSError (with errno and the path) when it cannot be executed."""

    def dial(self) -> socket.socket:
        """Return a fresh non-blocking TCP socket that lives in the pod's network.

        Connecting it to `(ip, port)` reaches the pod and gives the errno a node would see.
        """

    def listening(self, port: int) -> bool:
        """Whether a process of the pod accepts connections on `ip`:`port`."""

    async def close(self) -> None:
        """End everything in the pod and give its address back; never raises."""


class ServiceNetwork(Protocol):
    """Where pods reach the addresses of Services (`kube.addresses.SERVICE_NETWORK`)."""

    joins_pods: bool
    """Whether pods reach one another by address."""

    def listen(self, ip: str, port: int) -> socket.socket:
        """Return a non-blocking listening TCP socket; OSError when the port is taken.

        Connections come from the address of the pod that made them.
        """

    def datagrams(self, ip: str, port: int) -> socket.socket:
        """Return a non-blocking UDP socket; OSError when the port is taken."""


class Sandbox(Protocol):
    """A way to run pods on this machine."""

    name: str
    limits: tuple[str, ...]
    """What this way cannot show, one sentence each, for the report."""
    private_root: bool
    """Whether a container can have paths that this machine lacks, and keeps what it writes."""

    choice: SandboxChoice
    """How it came to be this way."""

    @property
    def host_name(self) -> str:
        """The name or address by which a pod reaches this machine; "" when it cannot."""

    @property
    def service_network(self) -> ServiceNetwork | None:
        """The network that pods share; None where they have none besides this machine's own."""

    async def pod(self, namespace: str, name: str, hostname: str) -> PodSandbox:
        """Make the sandbox of a new pod and give it an address."""

    async def close(self) -> None:
        """End every pod and the sandbox's own processes; never raises."""


@dataclass(frozen=True, slots=True)
class SandboxChoice:
    """Which ways were tried, and why each was passed over: printed when the user asks."""

    name: str
    passed_over: tuple[tuple[str, str], ...] = field(default=())
