"""Pods in namespaces of their own: the way of the container runtimes, without root.

Each pod has its own network (loopback with the pod's address), host name and IPC; each
container its own PID namespace, so the app is PID 1 with all that this means for signals, its
own mounts, and a root file system that keeps what it writes to itself. This process never
enters a namespace: a helper in the pod makes the sockets that `dial` hands out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from podready.cluster.sandbox.forked import ForkedSandbox

if TYPE_CHECKING:
    from podready.cluster.sandbox.zygote_process import ZygoteProcess

_LIMITS: Final = (
    "A pod reaches its own containers only: no other pod, no Service, no host, no DNS server.",
    "Memory and CPU limits are not enforced.",
    "The image's file system is this machine's, with the project's files on top.",
)
_NO_USER: Final = "Containers run as the caller's own user, whatever the image's USER says."
_NO_ROOT: Final = (
    "Containers write to this machine's files: the kernel refuses a private root ({})."
)


class NetnsSandbox(ForkedSandbox):
    """Makes pods in namespaces; see `interface.Sandbox`. Begin with `start`."""

    name: str = "netns"
    network: str = "10.244.0.0/16"  # what kubeadm and flannel give pods by custom
    apart: ClassVar[bool] = True

    def __init__(self, zygote: ZygoteProcess) -> None:
        super().__init__(zygote)
        self.limits = (*_LIMITS, _NO_USER)
        if zygote.no_private_root:
            self.limits += (_NO_ROOT.format(zygote.no_private_root),)
