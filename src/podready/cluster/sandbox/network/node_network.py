"""The cluster's end of the node's network: sockets on the addresses of Services."""

from __future__ import annotations

import os
import socket
from typing import Final, Self

from podready.cluster.sandbox.channel import Message, channel, receive, send
from podready.kube.addresses import SERVICE_NETWORK

_SECONDS: Final = 10.0


class NodeNetwork:
    """The network that all pods are wired to; see `interface.ServiceNetwork`.

    `namespace` is a descriptor of it, for the helpers of pods; `joins_pods` says whether pods
    reach one another by address.
    """

    def __init__(self, control: socket.socket, namespace: int, *, joins_pods: bool) -> None:
        self.namespace = namespace
        self.joins_pods = joins_pods
        self._control = control

    @classmethod
    def open(cls, zygote: socket.socket) -> Self:
        """Have the zygote fork its helper; OSError with the kernel's reason when refused."""
        node_end, helper_end = channel()
        node_end.settimeout(_SECONDS)
        order = {"op": "node", "services": str(SERVICE_NETWORK)}
        with helper_end:
            send(zygote, order, (helper_end.fileno(),))
        try:
            answer, fds = _answer(node_end)
        except OSError:
            node_end.close()
            raise
        return cls(node_end, fds[0], joins_pods=answer["forwards"])

    def listen(self, ip: str, port: int) -> socket.socket:
        """Return a listening TCP socket on an address of a Service (~0.2 ms)."""
        return self._socket("tcp", ip, port)

    def datagrams(self, ip: str, port: int) -> socket.socket:
        """Return a UDP socket bound to an address of a Service."""
        return self._socket("udp", ip, port)

    def close(self) -> None:
        """Hang up, which ends the helper; a wire goes with its pod."""
        self._control.close()
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1

    def _socket(self, kind: str, ip: str, port: int) -> socket.socket:
        send(self._control, {"kind": kind, "ip": ip, "port": port})
        made = socket.socket(fileno=_answer(self._control)[1][0])
        made.setblocking(False)
        return made


def _answer(control: socket.socket) -> tuple[Message, list[int]]:
    received = receive(control)
    if received is None:
        raise ConnectionResetError(104, "the node's helper process ended")
    answer, fds = received
    if answer["event"] == "refused":
        raise OSError(answer["errno"], os.strerror(answer["errno"]), answer["what"])
    return answer, fds
