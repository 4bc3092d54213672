"""Asks the kernel whether something listens, by the SOCK_DIAG netlink protocol of `ss`.

One question costs some 20 us, whatever the machine does. Reading /proc/net/tcp, the other way
(`procfs.listening`), makes the kernel look through its whole table of connections, those of all
network namespaces: 5 ms on a machine with 262,144 buckets, and the kubelet asks fifty times a
second for each port of a pod that starts or ends.
"""

from __future__ import annotations

import functools
import socket
import struct
from typing import Final

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_TCP_LISTEN: Final = 10
_ANY_COOKIE: Final = b"\xff" * 8
_HEADER: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST: Final = struct.Struct("=BBBxI")  # struct inet_diag_req_v2 up to its id
_ANSWER: Final = struct.Struct("=BBBB")  # struct inet_diag_msg up to its id
_PORTS: Final = struct.Struct("!HH")
_SIZE: Final = 4096


def open_diag() -> socket.socket:
    """Return a socket to ask on; it answers for the network in which it was made."""
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    return socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG)


def listening(diag: socket.socket, ip: str, port: int, *, exact: bool = False) -> bool:
    """Whether a connection to `ip`:`port` would find a listener in the network of `diag`.

    The kernel looks it up as for an arriving SYN, so a server on all addresses, of either family,
    counts; with `exact` it does not.
    """
    address = socket.inet_aton(ip)
    ends = _PORTS.pack(port, 0) + address.ljust(16, b"\0") + bytes(16) + bytes(4) + _ANY_COOKIE
    body = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 1 << _TCP_LISTEN) + ends
    size = _HEADER.size + len(body)
    diag.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + body)
    answer = diag.recv(_SIZE)
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return False  # NLMSG_ERROR with ENOENT
    body = answer[_HEADER.size :]
    source = body[_ANSWER.size + _PORTS.size :]
    is_listener = _ANSWER.unpack_from(body)[1] == _TCP_LISTEN
    mapped = bytes(10) + b"\xff\xff" + address
    return is_listener and (not exact or source[:4] == address or source[:16] == mapped)


@functools.cache
def works() -> bool:
    """Whether this kernel answers: asked about a listener that is there.

    Without its tcp_diag module a kernel answers "no such socket" to everything.
    """
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, open_diag() as diag:
            return listening(diag, "127.0.0.1", server.getsockname()[1], exact=True)
    except OSError:
        return False
