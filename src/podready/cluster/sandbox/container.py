"""One container: a process that is PID 1 of its own PID namespace, and commands run beside it.

Runs in the pod's helper. Each container has a shim, a child of the helper outside the new PID
namespace, which starts PID 1, reports when and how it ended, and holds no other resources. All
die with their parent (PR_SET_PDEATHSIG), so a killed helper takes its containers along.
"""

from __future__ import annotations

import json
import os
import select
import signal
from typing import TYPE_CHECKING, Final, NoReturn

from podready.cluster.sandbox.channel import Message, send
from podready.cluster.sandbox.rootfs import build_host_root, build_private_root, make_read_only
from podready.cluster.sandbox.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    adopt_orphans,
    die_with,
    die_with_parent,
    drop_capability,
    setns,
    unshare,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# What Docker and containerd leave a container (capability numbers of <linux/capability.h>):
# chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw
# sys_chroot mknod audit_write setfcap.
_KEPT_CAPABILITIES: Final = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})
_LAST_CAPABILITY: Final = 63


def run_container(control: socket.socket, order: Message, log: int, helper: int) -> NoReturn:
    """Start the container that `order` describes, report its start and its end, then exit."""
    _become_shim(helper, order)
    try:
        if order["apart"]:
            unshare(CLONE_NEWPID)
        pid, failure = _fork_first(lambda shim: _become_first(order, log, shim))
    except OSError as error:
        _tell_failure(control, order, {"errno": error.errno, "what": str(error.filename)})
    else:
        _watch(control, order, pid, failure)
    os._exit(0)


def run_command(control: socket.socket, order: Message, output: int, helper: int) -> NoReturn:
    """Run a command inside the container whose PID 1 is `order["inside"]`, then exit."""
    _become_shim(helper, order)
    try:
        if order["apart"]:
            _enter(order["inside"])
        pid, failure = _fork_first(lambda shim: _become_command(order, output, shim))
    except OSError as error:
        _tell_failure(control, order, {"errno": error.errno, "what": str(error.filename)})
    else:
        _watch(control, order, pid, failure, order["timeout"])
    os._exit(0)


def _become_shim(helper: int, order: Message) -> None:
    """Die with the helper; without a PID namespace, take all descendants along ourselves."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["apart"]:
        die_with_parent(helper)
        return
    adopt_orphans()
    signal.signal(signal.SIGTERM, _take_all_along)
    die_with_parent(helper, signal.SIGTERM)


def _take_all_along(*_: object) -> NoReturn:
    _kill_children()
    os._exit(1)


def _kill_children() -> None:
    """SIGKILL every descendant; orphans become our children, so ECHILD means that none is left."""
    me = os.getpid()
    while True:
        with open(f"/proc/self/task/{me}/children", encoding="ascii") as listed:
            for child in listed.read().split():
                os.kill(int(child), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _enter(pid: int) -> None:
    """Enter the PID namespace (for our children) and the mount namespace of a container."""
    for name, kind in (("pid", CLONE_NEWPID), ("mnt", CLONE_NEWNS)):
        fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        setns(fd, kind)
        os.close(fd)


def _fork_first(become: Callable[[int], None]) -> tuple[int, Message | None]:
    """Fork `become` and return its pid and, when it could not execute, what failed.

    `become` gets a pidfd of this process.
    """
    inner, outer = os.pipe()
    shim = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid == 0:
        os.close(inner)
        die_with(shim)
        _run_to_exec(lambda: become(shim), outer)
    os.close(outer)
    os.close(shim)
    with os.fdopen(inner, "rb") as report:
        failure = report.read()
    return pid, json.loads(failure) if failure else None


def _run_to_exec(become: Callable[[], None], outer: int) -> NoReturn:
    """Call `become`, which ends in execve; write into `outer` why it did not."""
    try:
        become()
    except OSError as error:
        failure: Message = {"errno": error.errno, "what": str(error.filename)}
    except BaseException as error:  # noqa: BLE001 - a forked child must never return
        failure = {"errno": 5, "what": repr(error)}
    os.write(outer, json.dumps(failure).encode())
    os._exit(127)


def _become_first(order: Message, log: int, shim: int) -> None:
    """In the new PID namespace: build the root, drop all privileges not needed, execute."""
    os.setsid()
    if order["apart"]:
        unshare(CLONE_NEWNS)
    if not order["apart"]:
        pass  # the host's own root, as it is
    elif order["private_root"]:
        build_private_root(order["mounts"], order["files"], order["cwd"])
        if order["read_only"]:
            make_read_only(order["mounts"])
    else:
        build_host_root(order["mounts"])
    _execute(order, log, shim)


def _become_command(order: Message, output: int, shim: int) -> None:
    os.setsid()
    _execute(order, output, shim)


def _execute(order: Message, output: int, shim: int) -> None:
    os.chdir(order["cwd"])
    _set_streams(output)
    for number in range(_LAST_CAPABILITY + 1 if order["apart"] else 0):
        if number not in _KEPT_CAPABILITIES and not drop_capability(number):
            break
    _set_user(order["uid"], order["gid"], shim)
    _reset_signals()
    argv, env = order["argv"], order["env"]
    try:
        os.execvpe(argv[0], argv, env)  # noqa: S606 - the container's own command
    except OSError as error:
        raise OSError(error.errno, error.strerror, argv[0]) from error


def _set_user(uid: int | None, gid: int | None, shim: int) -> None:
    """Become the image's user, where the process may (never in a user namespace of one id)."""
    if uid is None and gid is None:
        return
    os.setgroups([])
    if gid is not None:
        os.setresgid(gid, gid, gid)
    if uid is not None:
        os.setresuid(uid, uid, uid)
    die_with(shim)  # a change of credentials clears it


def _set_streams(output: int) -> None:
    """Read nothing; write both streams to `output`; hand nothing else to the new program."""
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)


def _reset_signals() -> None:
    """Undo what a Python process does to its signals; a container starts with none ignored."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _watch(
    control: socket.socket,
    order: Message,
    pid: int,
    failure: Message | None,
    timeout: float | None = None,
) -> None:
    """Tell that `pid` started (with a pidfd, which no later process can take over) and ended."""
    if failure is not None:
        os.waitpid(pid, 0)
        _tell_failure(control, order, failure)
        return
    handle = os.pidfd_open(pid)
    send(control, {"event": "started", "id": order["id"], "pid": pid}, (handle,))
    late = not select.select([handle], [], [], timeout)[0]
    if late:
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not order["apart"]:
        _kill_children()
    code = os.waitstatus_to_exitcode(status)
    send(control, {"event": "ended", "id": order["id"], "code": code, "late": late})


def _tell_failure(control: socket.socket, order: Message, failure: Message) -> None:
    send(control, {"event": "failed", "id": order["id"], **failure})
