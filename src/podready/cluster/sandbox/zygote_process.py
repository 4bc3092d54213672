"""The cluster's end of the zygote: starts it, sends orders, and waits for its end."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podready.cluster.sandbox.channel import Message, channel, receive
from podready.errors import ClusterError

if TYPE_CHECKING:
    import socket

_START_SECONDS: Final = 10.0
_END_SECONDS: Final = 5.0
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from podready.cluster.sandbox.zygote import main; main()"
)


class ZygoteProcess:
    """A zygote that answered; `link` is its channel."""

    def __init__(
        self, process: subprocess.Popen[bytes], link: socket.socket, ready: Message
    ) -> None:
        self.link = link
        self.sets_user: bool = not ready["user_namespace"]
        self.no_private_root: str = ready["no_private_root"]
        self._process = process

    @property
    def private_root(self) -> bool:
        """Whether containers can have a root file system of their own."""
        return not self.no_private_root

    @classmethod
    async def start(cls, *, apart: bool) -> ZygoteProcess:
        """Start a zygote, with namespaces (`apart`) or without; ClusterError when refused."""
        cluster_end, zygote_end = channel()
        process = _spawn(zygote_end, "apart" if apart else "plain")
        zygote_end.close()
        _allow_many_sockets()
        try:
            async with asyncio.timeout(_START_SECONDS):
                ready = await _first_message(cluster_end)
        except TimeoutError:
            ready = {"event": "refused", "what": "the zygote process did not answer"}
        if ready["event"] != "ready":
            cluster_end.close()
            process.kill()
            process.wait()
            raise ClusterError(f"this kernel refuses namespaces to us: {ready['what']}")
        return cls(process, cluster_end, ready)

    async def close(self) -> None:
        """Hang up, which ends the zygote, and wait for its end."""
        self.link.close()
        await asyncio.to_thread(_reap, self._process)


def _spawn(zygote_end: socket.socket, mode: str) -> subprocess.Popen[bytes]:
    """Start a fresh interpreter that imports next to nothing (3 ms, once)."""
    source = str(Path(__file__).parents[3])
    argv = [sys.executable, "-I", "-S", "-c", _CODE, source]
    return subprocess.Popen(
        [*argv, str(zygote_end.fileno()), str(os.getpid()), mode],
        pass_fds=(zygote_end.fileno(),),
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is the cluster's to handle
        cwd="/",
    )


async def _first_message(link: socket.socket) -> Message:
    """Return the zygote's first message without blocking the loop."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(link.fileno(), arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(link.fileno())
    received = receive(link)
    return received[0] if received else {"event": "refused", "what": "the zygote process ended"}


def _allow_many_sockets() -> None:
    """Raise this process's soft limit of open files: every pod has a pool of sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
