"""The process that holds the node's network, to which every pod is wired.

It owns the addresses of all Services and opens sockets on them for the cluster's process, which
accepts and answers. It ends when its control channel closes.
"""

from __future__ import annotations

import os
import socket
from typing import Final, NoReturn

from podready.cluster.sandbox.channel import Message, receive, send
from podready.cluster.sandbox.network.wire import make_node_network
from podready.cluster.sandbox.syscalls import die_with_parent

_BACKLOG: Final = 1024
_KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def hold_node(order: Message, fds: list[int], zygote: int) -> NoReturn:
    """Make the node's network, pass a descriptor of it on, and open sockets in it on request."""
    control = socket.socket(fileno=fds[0])
    die_with_parent(zygote)
    try:
        forwards = make_node_network(order["services"])
    except OSError as error:
        _refuse(control, error)
        os._exit(1)
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    send(control, {"event": "node", "forwards": forwards}, (own,))
    os.close(own)
    while received := receive(control):
        _open(control, received[0])
    os._exit(0)


def _open(control: socket.socket, order: Message) -> None:
    kind = _KINDS[order["kind"]]
    try:
        with socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC) as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((order["ip"], order["port"]))
            if kind == socket.SOCK_STREAM:
                made.listen(_BACKLOG)
            send(control, {"event": "socket"}, (made.fileno(),))
    except OSError as error:
        _refuse(control, error)


def _refuse(control: socket.socket, error: OSError) -> None:
    what = str(error.filename or error.strerror)
    send(control, {"event": "refused", "errno": error.errno, "what": what})
