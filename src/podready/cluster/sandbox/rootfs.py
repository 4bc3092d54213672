"""The file system that a container sees: the host's own, under a layer that belongs to it alone.

Every directory of `/` is mounted again as an overlay whose upper layer is in memory, so mount
points, a WORKDIR or a volume path that the host lacks can exist, what the app writes never lands
on the host, and all of it is gone with the container. `/dev`, `/proc` and the pod's own
`/etc/hosts` and `/etc/resolv.conf` are new. Where the kernel refuses the overlay of a directory
(a more privileged mount lies inside it), that directory is the host's own.

The order is bubblewrap's: a tmpfs becomes the root, the old root is kept aside as the source of
all mounts, and is unmounted at the end.
"""

from __future__ import annotations

# System calls by path in a half-built root; pathlib would only add imports to every helper:
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH110, PTH112, PTH115, PTH116, PTH120, PTH211
import os
import stat
from typing import Any, Final

from podready.cluster.sandbox.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    pivot_root,
    unmount,
)

_STAGES: Final = ("/run", "/mnt", "/var", "/opt")
_OLD: Final = "/.podready"
_HOST: Final = _OLD + "/host"
_APART: Final = frozenset({"proc", "sys", "dev", "lost+found", _OLD[1:]})
_NOT_OURS: Final = ("/var/lib/docker/", "/var/lib/containers/", "/run/docker/", "/run/user/")
"""Mounts of other programs, often many, that no application reads."""

_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS: Final = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)


def build_private_root(mounts: list[dict[str, Any]], files: dict[str, str], cwd: str) -> None:
    """Give this process (alone in its mount and PID namespaces) a root of its own.

    `mounts` are `source`, `target`, `read_only` and `copy` (writes stay in the container);
    `files` are texts by path that replace the host's; `cwd` is made when it is missing.
    """
    mount("", "/", flags=MS_REC | MS_PRIVATE)
    beneath = _mount_points()
    _enter_stage()
    _graft_host(beneath)
    _make_dev()
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for number, wanted in enumerate(mounts):
        _mount_volume(wanted, f"volume{number}")
    _place_files(files)
    os.makedirs(cwd, exist_ok=True)
    unmount(_OLD)
    os.rmdir(_OLD)


def make_read_only(mounts: list[dict[str, Any]]) -> None:
    """Forbid to write anywhere in a private root but in volumes and what is new in it.

    As with container runtimes, /dev (with /dev/shm) and /proc stay as they are.
    """
    kept = ["/dev", "/proc", "/sys"]
    kept += [os.path.realpath(each["target"]) for each in mounts if not each["copy"]]
    for point in _mount_points():
        if not any(point == each or point.startswith(each + "/") for each in kept):
            _forbid_writing(point)


def build_host_root(mounts: list[dict[str, Any]]) -> None:
    """Keep the host's root; only /proc and volumes whose mount points exist are our own."""
    mount("", "/", flags=MS_REC | MS_PRIVATE)
    for wanted in mounts:
        if os.path.exists(wanted["target"]):
            _bind(wanted["source"], wanted["target"], read_only=wanted["read_only"])
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        pass  # a masked /proc (some containers): the host's own stays visible


def _mount_points() -> list[str]:
    """Return the mount points of this namespace, outermost first."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        points = [line.split(" ", 5)[4] for line in lines]
    return sorted({point.replace("\\040", " ") for point in points})


def _enter_stage() -> None:
    """Make a tmpfs the root, with the host under `_HOST` and room for upper layers."""
    stage = next(path for path in _STAGES if os.path.isdir(path))
    mount("podready", stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for name in ("host", "root", "layers"):
        os.mkdir(f"{stage}/{name}")
    mount("podready", f"{stage}/root", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    os.mkdir(f"{stage}/root{_OLD}")
    pivot_root(stage, f"{stage}/host")
    pivot_root("/root", f"/root{_OLD}")
    os.chdir("/")


def _graft_host(beneath: list[str]) -> None:
    """Let every directory and link of the host's root appear in the new root."""
    for entry in os.scandir(_HOST):
        if entry.name in _APART:
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), "/" + entry.name)
        elif entry.is_dir(follow_symlinks=False):
            _graft(entry.name, [point for point in beneath if point.startswith(f"/{entry.name}/")])
    os.mkdir("/proc")
    _graft_sys()


def _graft(name: str, beneath: list[str]) -> None:
    """Overlay one directory of the root and put the host's mounts inside it back."""
    target = "/" + name
    os.mkdir(target)
    if not _overlay(_HOST + target, target, name):
        mount(_HOST + target, target, flags=MS_BIND | MS_REC)
        return
    for point in beneath:
        if not point.startswith(_NOT_OURS):
            _restore(point)


def _restore(point: str) -> None:
    """Bind one mount of the host at its place; a place that is gone or hidden stays so."""
    try:
        mount(_HOST + point, point, flags=MS_BIND)
    except OSError:
        pass  # over-mounted, or not visible to us


def _graft_sys() -> None:
    os.mkdir("/sys")
    try:
        mount(_HOST + "/sys", "/sys", flags=MS_BIND | MS_REC)
    except OSError:
        pass  # an empty /sys: nothing in a web application needs it


def _overlay(lower: str, target: str, layer: str) -> bool:
    """Mount `lower` on `target` under a fresh layer in memory; False when refused."""
    upper, work = f"{_OLD}/layers/{layer}/upper", f"{_OLD}/layers/{layer}/work"
    os.makedirs(upper)
    os.mkdir(work)
    status = os.stat(lower)
    os.chmod(upper, stat.S_IMODE(status.st_mode))
    options = f"lowerdir={_escaped(lower)},upperdir={_escaped(upper)},workdir={_escaped(work)}"
    for extra in (",userxattr", ""):  # needed in a user namespace; unknown before Linux 5.11
        try:
            mount("overlay", target, "overlay", 0, options + extra)
        except OSError:
            continue
        return True
    return False


def _escaped(path: str) -> str:
    """Return the path with the characters that overlay's options use for themselves escaped."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _make_dev() -> None:
    """Make a /dev with the devices that every container has, and nothing of the host's."""
    os.mkdir("/dev")
    mount("podready", "/dev", "tmpfs", MS_NOSUID, "mode=0755")
    for name in _DEVICES:
        if os.path.exists(f"{_HOST}/dev/{name}"):
            _touch(f"/dev/{name}")
            mount(f"{_HOST}/dev/{name}", f"/dev/{name}", flags=MS_BIND)
    for source, link in _DEVICE_LINKS:
        os.symlink(source, link)
    shm = "/dev/shm"  # noqa: S108 - a mount point of our own
    os.mkdir(shm)
    mount("podready", shm, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    os.mkdir("/dev/pts")
    try:
        mount("devpts", "/dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
    except OSError:
        pass  # no terminals: a container without -t has none either


def _mount_volume(wanted: dict[str, Any], layer: str) -> None:
    """Show a path of the host at its place in the container."""
    source, target = _HOST + wanted["source"], wanted["target"]
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        if wanted["copy"] and _overlay(source, target, layer):
            return
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _touch(target)
    _bind(source, target, read_only=wanted["read_only"])


def _bind(source: str, target: str, *, read_only: bool) -> None:
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        _forbid_writing(target)


def _forbid_writing(target: str) -> None:
    # A user namespace cannot remove a flag that the original mount has.
    kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def _place_files(files: dict[str, str]) -> None:
    """Mount a text over a file of the host."""
    for number, (path, text) in enumerate(files.items()):
        source = f"{_OLD}/layers/file{number}"
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        target = os.path.realpath(path)  # resolv.conf is often a link into /run
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            _touch(target)
        mount(source, target, flags=MS_BIND)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
