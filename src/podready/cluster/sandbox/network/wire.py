"""A pod's own network, joined to the node's by a pair of veth devices.

Made as the `ptp` plugin of CNI makes it: the pod has `eth0` with its address and sends everything
to a gateway at the other end; the node knows which wire leads to which pod. So pods reach one
another by address through the node's kernel, and what listens in the node's network (Service
addresses, DNS) is never in the way of a port that a pod opens for itself.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from podready.cluster.sandbox.network.loopback import allow_low_ports, write_setting
from podready.cluster.sandbox.network.rtnetlink import LOOPBACK, NetlinkChannel
from podready.cluster.sandbox.syscalls import CLONE_NEWNET, setns, unshare

_GATEWAY: Final = "169.254.1.1"  # link-local, the same on every wire; Calico's choice too
_ETH0: Final = 2
_FIRST_WIRE: Final = 16  # device numbers below are the node's own


def make_node_network(services: str) -> bool:
    """Move into a new network that holds the addresses `services`; whether it joins pods too.

    OSError when the kernel has no veth devices for us.
    """
    unshare(CLONE_NEWNET)
    channel = NetlinkChannel()
    try:
        channel.raise_device(LOOPBACK)
        channel.add_local_route(services)
        _try_veth(channel)
    finally:
        channel.close()
    return write_setting("ipv4/ip_forward", "1")


def make_pod_network(node: int, ip: str) -> None:
    """Move into a new network with the address `ip`, wired to the network of descriptor `node`."""
    setns(node, CLONE_NEWNET)
    there = NetlinkChannel()
    unshare(CLONE_NEWNET)
    here = NetlinkChannel()
    try:
        _wire(here, there, node, ip)
    finally:
        here.close()
        there.close()
    allow_low_ports()


def _wire(here: NetlinkChannel, there: NetlinkChannel, node: int, ip: str) -> None:
    write_setting("ipv6/conf/default/disable_ipv6", "1")  # the wire has none; lo keeps ::1
    wire = _FIRST_WIRE + int.from_bytes(socket.inet_aton(ip)[2:], "big")
    here.raise_device(LOOPBACK)
    here.add_veth("eth0", _ETH0, f"pod{wire}", wire, node)
    here.add_address(_ETH0, ip)
    there.raise_device(wire)
    there.add_address(wire, _GATEWAY)
    there.add_neighbour_route(wire, ip)
    here.add_default_route(_ETH0, _GATEWAY)


def _try_veth(channel: NetlinkChannel) -> None:
    """Make a pair and remove it: better known now than with the first pod."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        channel.add_veth("try0", 2, "try1", 3, own)
        channel.remove_device(2)
    finally:
        os.close(own)
