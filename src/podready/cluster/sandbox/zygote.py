"""The small process from which every pod's helper is forked.

It is started afresh (not forked) by `netns`, so it has one thread and little memory, which is
what user namespaces and cheap forks need. It enters a user namespace of its own where this
process may not make namespaces otherwise, forks one helper a pod, and ends, with all of them,
when the channel to the cluster's process closes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback

from podready.cluster.sandbox.channel import Message, receive, send
from podready.cluster.sandbox.network.sock_diag import works
from podready.cluster.sandbox.node_helper import hold_node
from podready.cluster.sandbox.pod_helper import hold_pod
from podready.cluster.sandbox.rootfs import build_private_root
from podready.cluster.sandbox.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    die_with_parent,
    stay_dumpable,
    unshare,
)


def main() -> None:
    """Serve the channel whose descriptor is the first argument.

    The second argument is our parent's pid, the third
    `apart` for pods in namespaces or `plain` for ordinary processes.
    """
    try:
        _serve()
    except BrokenPipeError:
        pass  # the cluster ended before we had begun


def _serve() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    die_with_parent(int(sys.argv[2]))
    apart = sys.argv[3] == "apart"
    try:
        user_namespace = apart and _gain_privilege()
    except OSError as error:
        send(channel, {"event": "refused", "errno": error.errno, "what": str(error)})
        return
    refusal = _try_out(_private_root) if apart else "pods have no namespaces of their own"
    send(channel, {"event": "ready", "user_namespace": user_namespace, "no_private_root": refusal})
    works()  # found out once, for all helpers
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps helpers and shims
    while received := receive(channel):
        _fork_helper(channel, *received)


def _gain_privilege() -> bool:
    """Make sure that we may make namespaces; True when that took a user namespace.

    Root without one comes first: it works inside containers with CAP_SYS_ADMIN and on kernels
    without unprivileged user namespaces, and only there can the image's USER be real. A root
    that lacks the capability, and every other user, gets a user namespace.
    """
    if os.geteuid() == 0 and not _try_out(_namespaces):
        return False
    uid, gid = os.geteuid(), os.getegid()
    stay_dumpable()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        _write(f"/proc/self/{name}", text)
    refusal = _try_out(_namespaces)
    if refusal:
        raise PermissionError(1, refusal, refusal)
    return True


def _namespaces() -> None:
    unshare(CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS)
    os.pidfd_open(os.getpid())  # Linux 5.3


def _private_root() -> None:
    """Build a container's root as the first process of new namespaces, where /proc can be new."""
    unshare(CLONE_NEWPID)
    refusal = _try_out(_build_root)
    if refusal:
        raise OSError(1, refusal, refusal)


def _build_root() -> None:
    unshare(CLONE_NEWNS)
    build_private_root([], {}, "/")


def _try_out(step: object) -> str:
    """Run `step` in a child, so that trying changes nothing; return why it failed, or ""."""
    inner, outer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(inner)
        try:
            step()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - a forked child must never return
            os.write(outer, str(error).encode()[:2000])
        os._exit(0)
    os.close(outer)
    with os.fdopen(inner, "rb") as report:
        refusal = report.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return refusal


def _fork_helper(channel: socket.socket, order: Message, fds: list[int]) -> None:
    hold = {"node": hold_node, "pod": hold_pod}[order["op"]]
    zygote = os.getpid()
    if os.fork() == 0:
        channel.close()
        try:
            hold(order, fds, zygote)
        except BaseException:  # noqa: BLE001 - a forked child must never return
            traceback.print_exc()
            os._exit(1)
    for fd in fds:
        os.close(fd)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


if __name__ == "__main__":
    main()
