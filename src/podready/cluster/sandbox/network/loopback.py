"""The network of a new pod: loopback up, and the pod's own address on it.

Two ioctls of netdevice(7) do it, so no `ip` binary and no netlink library is needed.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from typing import Final

_SIOCSIFADDR: Final = 0x8916
_SIOCSIFNETMASK: Final = 0x891C
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1


def raise_loopback(ip: str) -> None:
    """Bring `lo` up in this network namespace and give it `ip`/32 besides 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
        fcntl.ioctl(control, _SIOCSIFADDR, _request(b"lo:1", ip))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _request(b"lo:1", "255.255.255.255"))
    allow_low_ports()


def _request(interface: bytes, ip: str) -> bytes:
    """Return a `struct ifreq` that carries an IPv4 address."""
    return struct.pack("16sHH4s8x", interface, socket.AF_INET, 0, socket.inet_aton(ip))


def allow_low_ports() -> None:
    """Let any user bind port 80, as containerd and Docker do since 2020."""
    write_setting("ipv4/ip_unprivileged_port_start", "0")


def write_setting(name: str, value: str) -> bool:
    """Change a setting of this network (sysctl net.*); False where /proc/sys is read-only."""
    try:
        fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, value.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
