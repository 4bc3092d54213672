"""Network devices, addresses and routes by rtnetlink(7), as the `ip` command makes them.

Only what a pod's wire needs. A channel acts on the network namespace in which it was opened,
also after its process has moved to another one. It imports next to nothing, because every pod's
helper process carries it.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

_REQUEST: Final = 0x1 | 0x4  # NLM_F_REQUEST | NLM_F_ACK
_CREATE: Final = 0x400 | 0x200  # NLM_F_CREATE | NLM_F_EXCL
_ERROR: Final = 2  # NLMSG_ERROR, also the form of an acknowledgement
_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE = 16, 17, 20, 24
_IFF_UP: Final = 0x1
_ONLINK: Final = 4  # RTNH_F_ONLINK: the gateway is a neighbour although no address says so

_MAIN, _LOCAL = (254, 0, 1), (255, 254, 2)  # table, scope, type: a unicast route, a local one
_LINK: Final = (254, 253, 1)

_HEADER: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_DEVICE: Final = struct.Struct("=BxHiII")  # struct ifinfomsg
_ADDRESS: Final = struct.Struct("=BBBBI")  # struct ifaddrmsg
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_SIZE: Final = 8192

LOOPBACK: Final = 1
"""The index of `lo` in every network namespace."""


class NetlinkChannel:
    """Changes the network in which it was opened; OSError with the kernel's errno when refused."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )

    def close(self) -> None:
        """Close it; what was made stays."""
        self._socket.close()

    def add_veth(
        self, name: str, index: int, peer: str, peer_index: int, peer_network: int
    ) -> None:
        """Make a pair of joined devices, this one up; `peer` in the network of that descriptor."""
        there = _DEVICE.pack(0, 0, peer_index, 0, 0)
        there += _text(3, peer) + _number(28, peer_network)  # IFLA_IFNAME, IFLA_NET_NS_FD
        kind = _text(1, "veth") + _attribute(2, _attribute(1, there))  # VETH_INFO_PEER
        body = _DEVICE.pack(0, 0, index, _IFF_UP, _IFF_UP) + _text(3, name) + _attribute(18, kind)
        self._do(_NEWLINK, body, _CREATE, f"veth {name}")

    def remove_device(self, index: int) -> None:
        """Remove a device, and with it its peer."""
        self._do(_DELLINK, _DEVICE.pack(0, 0, index, 0, 0), 0, f"remove device {index}")

    def raise_device(self, index: int) -> None:
        """Bring a device up."""
        self._do(_NEWLINK, _DEVICE.pack(0, 0, index, _IFF_UP, _IFF_UP), 0, f"raise device {index}")

    def add_address(self, index: int, ip: str) -> None:
        """Give a device the address `ip`/32."""
        raw = socket.inet_aton(ip)
        body = _ADDRESS.pack(socket.AF_INET, 32, 0, 0, index)
        body += _attribute(2, raw) + _attribute(1, raw)  # IFA_LOCAL, IFA_ADDRESS
        self._do(_NEWADDR, body, _CREATE, f"address {ip}")

    def add_neighbour_route(self, index: int, ip: str) -> None:
        """Send what is for `ip` straight out of a device."""
        self._route(f"{ip}/32", index, _LINK)

    def add_default_route(self, index: int, gateway: str) -> None:
        """Send everything else to `gateway`, which is at the other end of a device."""
        self._route("0.0.0.0/0", index, _MAIN, gateway)

    def add_local_route(self, network: str) -> None:
        """Make every address of a network this machine's own, so that servers can bind to it."""
        self._route(network, LOOPBACK, _LOCAL)

    def _route(
        self, network: str, index: int, where: tuple[int, int, int], gateway: str = ""
    ) -> None:
        address, _, bits = network.partition("/")
        table, scope, kind = where
        flags = _ONLINK if gateway else 0
        body = _ROUTE.pack(socket.AF_INET, int(bits), 0, 0, table, 4, scope, kind, flags)
        body += _number(4, index)  # RTA_OIF
        if int(bits):
            body += _attribute(1, socket.inet_aton(address))  # RTA_DST
        if gateway:
            body += _attribute(5, socket.inet_aton(gateway))  # RTA_GATEWAY
        self._do(_NEWROUTE, body, _CREATE, f"route {network}")

    def _do(self, kind: int, body: bytes, flags: int, what: str) -> None:
        size = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(size, kind, _REQUEST | flags, 1, 0) + body)
        answer = self._socket.recv(_SIZE)
        number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        if _HEADER.unpack_from(answer)[1] != _ERROR or number:
            raise OSError(number, os.strerror(number), what)


def _attribute(kind: int, value: bytes) -> bytes:
    """Return one struct rtattr, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))
