"""Binding the sockets that the supervisor owns."""

from __future__ import annotations

import errno
import os
import socket

from podready.errors import StartupError

BACKLOG = 2048
"""Connections the kernel may queue; it is cut to net.core.somaxconn (4096 since Linux 5.4)."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Return a TCP socket bound to the address, not yet listening.

    `setting` is the flag that a user would change. Raises StartupError saying which port is
    taken or which address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port or _free_port(family, host)))
    except OSError as error:
        sock.close()
        raise StartupError(sentence_for(error, host, port, setting)) from error
    sock.setblocking(False)
    return sock


def _free_port(family: socket.AddressFamily, host: str) -> int:
    """Return a port that is free now, for port 0.

    Bound by its number, the port stays bound when the socket leaves the listening state for a
    while; the kernel would release a port that it has chosen itself.
    """
    with socket.socket(family, socket.SOCK_STREAM) as finder:
        finder.bind((host, 0))
        return int(finder.getsockname()[1])


def listen(sock: socket.socket, setting: str) -> None:
    """Begin to accept; another process that bound the same port may have been faster."""
    host, port = sock.getsockname()[:2]
    try:
        sock.listen(BACKLOG)
    except OSError as error:
        raise StartupError(sentence_for(error, host, port, setting)) from error


def sentence_for(error: OSError, host: str, port: int, setting: str) -> str:
    """Return one sentence that names the port and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another process; stop it or choose another {setting}"
    if error.errno == errno.EACCES:
        return f"port {port} needs privileges; choose a {setting} above 1023"
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"cannot listen on {host}:{port}: {reason}; see {setting}"
