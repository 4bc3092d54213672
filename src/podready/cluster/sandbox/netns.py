"""Pods in namespaces of their own: the way of the container runtimes, without root.

Each pod has its own network, host name and IPC; each container its own PID namespace, so the app
is PID 1 with all that this means for signals, its own mounts, and a root file system that keeps
what it writes to itself. The pods' networks are wired to one of the node's (see `wire`). This
process never enters a namespace: a helper in the pod makes the sockets that `dial` hands out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from podready.cluster.sandbox.forked import ForkedSandbox
from podready.cluster.sandbox.network.node_network import NodeNetwork
from podready.kube.addresses import POD_NETWORK

if TYPE_CHECKING:
    from podready.cluster.sandbox.zygote_process import ZygoteProcess

_LIMITS: Final = (
    "Memory and CPU limits are not enforced.",
    "The image's file system is this machine's, with the project's files on top.",
)
_REACH: Final = (
    "Pods reach Services, other pods and the project's host-ports, and nothing else: no internet, "
    "no API server, no UDP but DNS. Behind a Service a dead pod is a reset, not a refusal, and a "
    "live one does not see the calling pod's address."
)
_NO_FORWARDING: Final = "Pods reach one another through Services only, not by address."
_NO_REACH: Final = (
    "A pod reaches its own containers only: no other pod, no Service, no host, no DNS server (the "
    "kernel refuses veth devices: {})."
)
_NO_USER: Final = "Containers run as the caller's own user, whatever the image's USER says."
_NO_ROOT: Final = (
    "Containers write to this machine's files, readOnlyRootFilesystem is not applied, and names of "
    "Services are not known: the kernel refuses a private root ({})."
)


class NetnsSandbox(ForkedSandbox):
    """Makes pods in namespaces; see `interface.Sandbox`. Begin with `start`."""

    name: str = "netns"
    network: str = str(POD_NETWORK)
    apart: ClassVar[bool] = True

    def __init__(self, zygote: ZygoteProcess) -> None:
        super().__init__(zygote)
        self.limits = (self._wire_up(zygote), *_LIMITS, _NO_USER)
        if zygote.no_private_root:
            self.limits += (_NO_ROOT.format(zygote.no_private_root),)

    def _wire_up(self, zygote: ZygoteProcess) -> str:
        """Make the network that joins the pods; return the sentence on what they reach."""
        try:
            self.service_network = NodeNetwork.open(zygote.link)
        except OSError as error:
            return _NO_REACH.format(error)
        return _REACH if self.service_network.joins_pods else f"{_REACH} {_NO_FORWARDING}"
