"""Pods as ordinary processes, for kernels that refuse namespaces to us.

Each pod has an address of 127.0.0.0/8 on the host's own loopback. A `sitecustomize` put first on
PYTHONPATH turns a Python server's bind to all addresses into one to the pod's own, so two pods
can both listen on port 8000. Much of what a cluster does cannot be shown this way: see `limits`.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from podready.cluster.sandbox import procfs
from podready.cluster.sandbox.forked import ForkedPod, ForkedSandbox
from podready.cluster.sandbox.network import sock_diag

if TYPE_CHECKING:
    from podready.cluster.sandbox.forked_process import ForkedProcess
    from podready.cluster.sandbox.interface import ContainerSpec
    from podready.cluster.sandbox.zygote_process import ZygoteProcess

_SITE: Final = Path(__file__).parent / "plain_site"

LIMITS: Final = (
    (
        "The app is not PID 1: a process without a SIGTERM handler ends at once here, but ignores "
        "SIGTERM and is killed at the end of the grace period in a cluster."
    ),
    "Pods share this machine's localhost: a server on 127.0.0.1 is reachable by every pod.",
    (
        "Servers that do not bind by Python code (granian, nginx) bind every address of the host, "
        "so two pods of them collide on their port."
    ),
    (
        "Volumes, the image's WORKDIR and the pod's /etc/hosts need a path that this machine "
        "has already; what the app writes lands on this machine's files, also where the pod has "
        "readOnlyRootFilesystem."
    ),
    "No Service addresses and no cluster DNS; memory and CPU limits are not enforced.",
    "Containers run as the caller's own user, whatever the image's USER says.",
)


class PlainPod(ForkedPod):
    """One pod of ordinary processes on an address of its own."""

    async def start(self, container: ContainerSpec) -> ForkedProcess:
        """Start a container whose Python servers bind the pod's address only."""
        path = ":".join(filter(None, (str(_SITE), container.env.get("PYTHONPATH", ""))))
        env = {**container.env, "PYTHONPATH": path, "PODREADY_PLAIN_IP": self.ip}
        return await super().start(dataclasses.replace(container, env=env))

    def dial(self) -> socket.socket:
        """Return a fresh socket of this machine: plain pods share its network."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock

    def listening(self, port: int) -> bool:
        """Whether something accepts connections on exactly this pod's address."""
        if sock_diag.works():
            with sock_diag.open_diag() as diag:
                return sock_diag.listening(diag, self.ip, port, exact=True)
        return procfs.listening(os.getpid(), self.ip, port, exact=True)


class PlainSandbox(ForkedSandbox):
    """Makes pods of ordinary processes; see `interface.Sandbox`. Begin with `start`."""

    name: str = "plain"
    apart: ClassVar[bool] = False
    pod_class: ClassVar[type[ForkedPod]] = PlainPod

    def __init__(self, zygote: ZygoteProcess) -> None:
        # By chance, so that clusters side by side or soon after one another do not meet.
        self.network = f"127.{128 + secrets.randbelow(126)}.{secrets.randbelow(256)}.0/24"
        super().__init__(zygote)
        self.limits = LIMITS
