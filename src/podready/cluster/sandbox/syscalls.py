"""The kernel's calls that Python 3.11 does not offer: namespaces, mounts and process control.

Each call raises OSError with the kernel's errno and the path it is about. Only this file knows
ctypes; it imports nothing else, because every pod's helper process carries it.
"""

from __future__ import annotations

import ctypes
import os
import select
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000

MNT_DETACH: Final = 0x2

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_CHILD_SUBREAPER: Final = 36
_SYS_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41, "riscv64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Move this process into new namespaces of the kinds in `flags`."""
    _checked(_libc.unshare(ctypes.c_int(flags)), f"unshare {flags:#x}")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace that `fd` (an open /proc/<pid>/ns file) refers to."""
    _checked(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount `source` on `target`, as mount(2) does."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        os.fsencode(options),
    )
    _checked(result, target)


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    """Take away the mount on `target`."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Make the mount `new_root` the root, and leave the old one under `put_old`."""
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, "pivot_root is not known on this machine", new_root)
    result = _libc.syscall(ctypes.c_long(number), os.fsencode(new_root), os.fsencode(put_old))
    _checked(result, new_root)


def die_with_parent(parent: int, number: int = 9) -> None:
    """Ask for signal `number` when the parent ends; end now when it has ended already.

    `parent` is the parent's pid as the caller knew it before the fork, which closes the gap
    between fork and prctl.
    """
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        os._exit(1)


def die_with(handle: int) -> None:
    """Ask for SIGKILL when the parent ends; end now when it has ended already.

    `handle` is a pidfd that the parent opened on itself before the fork: in a PID namespace of
    its own a process sees parent 0, whether the parent outside is alive or not.
    """
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "PR_SET_PDEATHSIG")
    if select.select([handle], [], [], 0)[0]:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, instead of init."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")


def stay_dumpable() -> None:
    """Keep /proc/<pid> owned by us after a change of credentials, so that id maps are writable."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "PR_SET_DUMPABLE")


def drop_capability(number: int) -> bool:
    """Remove one capability from the bounding set; False when the kernel has none so high."""
    return bool(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0)
