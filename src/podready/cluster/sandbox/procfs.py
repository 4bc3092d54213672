"""What /proc shows of a pod from outside: its listening sockets and its signal handlers."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LISTEN: Final = b"0A"  # TCP_LISTEN of <net/tcp_states.h>
_READ: Final = 4096
_ANY: Final = frozenset({"00000000", "0" * 32})


def listening(pid: int, ip: str, port: int, *, exact: bool = False) -> bool:
    """Whether something in the network of process `pid` accepts connections to `ip`:`port`.

    A server on 127.0.0.1 does not: its address is neither `ip` nor all addresses. With `exact`,
    neither does one on all addresses: in a shared network it may belong to another process.
    """
    accepted = {_hex_address(ip), _hex_mapped(ip)} | (frozenset() if exact else _ANY)
    wanted = f"{port:04X}"
    for table in ("tcp", "tcp6"):
        for local in _listeners(f"/proc/{pid}/net/{table}"):
            address, _, local_port = local.partition(":")
            if local_port == wanted and address in accepted:
                return True
    return False


def _listeners(path: str) -> Iterator[str]:
    """Yield the local addresses of listening sockets.

    The kernel lists them before all others and makes the table as it is read, so what thousands
    of ended connections would cost is never paid.
    """
    try:
        with open(path, "rb", buffering=0) as table:
            rest = table.read(_READ).partition(b"\n")[2]  # without the heading
            while True:
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    fields = line.split(maxsplit=4)
                    if fields[3] != _LISTEN:
                        return
                    yield fields[1].decode()
                more = table.read(_READ)
                if not more:
                    return
                rest += more
    except OSError:
        return  # the process is gone


def handles(pid: int, number: int) -> bool:
    """Whether process `pid` has a handler for the signal: the SigCgt mask of its status."""
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def _lines(path: str) -> list[str]:
    """Return the lines after the heading; none when the process is gone."""
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return []


def _hex_address(ip: str) -> str:
    """Return an IPv4 address as /proc/net/tcp prints it: a number in this machine's byte order."""
    return f"{int.from_bytes(socket.inet_aton(ip), sys.byteorder):08X}"


def _hex_mapped(ip: str) -> str:
    """Return ::ffff:<ip> as /proc/net/tcp6 prints it."""
    prefix = int.from_bytes(b"\x00\x00\xff\xff", sys.byteorder)
    return f"{'0' * 16}{prefix:08X}{_hex_address(ip)}"
