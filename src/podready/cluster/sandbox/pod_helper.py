"""The process that holds a pod's network, as Kubernetes' pause container does.

It owns the pod's network, host name and IPC namespaces, makes sockets inside them for the
cluster's process, and forks a shim for each container and command. It ends when its control
channel closes.
"""

from __future__ import annotations

import os
import select
import socket
from typing import NoReturn

from podready.cluster.sandbox.channel import Message, receive, send
from podready.cluster.sandbox.container import run_command, run_container
from podready.cluster.sandbox.network.loopback import raise_loopback
from podready.cluster.sandbox.network.sock_diag import open_diag, works
from podready.cluster.sandbox.network.wire import make_pod_network
from podready.cluster.sandbox.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWUTS,
    die_with_parent,
    unshare,
)


def hold_pod(order: Message, fds: list[int], zygote: int) -> NoReturn:
    """Make the pod's namespaces, say so, and serve both channels until one closes.

    `fds` are the two channels and, where pods are wired, the node's network.
    """
    control, dialer = (socket.socket(fileno=fd) for fd in fds[:2])
    die_with_parent(zygote)
    try:
        if order["apart"]:
            unshare(CLONE_NEWUTS | CLONE_NEWIPC)
            socket.sethostname(order["hostname"])
            _make_network(order["ip"], fds[2:])
    except OSError as error:
        failure = {"event": "refused", "errno": error.errno, "what": str(error.filename)}
        send(control, failure)
        os._exit(1)
    _tell_ready(control, apart=order["apart"])
    _serve(control, dialer)
    os._exit(0)


def _make_network(ip: str, node: list[int]) -> None:
    """Make the pod's network: wired to the node's where there is one, else alone."""
    if node:
        make_pod_network(node[0], ip)
        os.close(node[0])
        return
    unshare(CLONE_NEWNET)
    raise_loopback(ip)


def _tell_ready(control: socket.socket, *, apart: bool) -> None:
    """Report that the network is up, with a socket to query its listeners where the kernel can."""
    diag = [open_diag()] if apart and works() else []
    send(control, {"event": "pod", "pid": os.getpid()}, tuple(end.fileno() for end in diag))
    for end in diag:
        end.close()


def _serve(control: socket.socket, dialer: socket.socket) -> None:
    ready = select.poll()
    by_fd = {end.fileno(): end for end in (control, dialer)}
    for fd in by_fd:
        ready.register(fd, select.POLLIN)
    while True:
        for fd, _ in ready.poll():
            received = receive(by_fd[fd])
            if received is None:
                return
            _obey(by_fd[fd], control, *received)


def _obey(source: socket.socket, control: socket.socket, order: Message, fds: list[int]) -> None:
    if order["op"] == "sockets":
        _send_sockets(source, order["count"])
        return
    keep = {"start": run_container, "exec": run_command}[order["op"]]
    helper = os.getpid()
    if os.fork() == 0:
        keep(control, order, fds[0], helper)
    for fd in fds:
        os.close(fd)


def _send_sockets(channel: socket.socket, count: int) -> None:
    """Send fresh TCP sockets: a socket lives in the network in which it was made."""
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    made = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    send(channel, {"event": "sockets"}, tuple(sock.fileno() for sock in made))
    for sock in made:
        sock.close()
