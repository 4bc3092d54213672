"""The folder of one local cluster: private, locked while in use, and never left behind for long.

A cluster that ends in any orderly way removes its folder. One that is killed (kill -9, out of
memory) cannot; the next one does it instead, because the kernel has released the dead one's
lock. Processes, namespaces and mounts need no such care: they die with the cluster's process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "podready-cluster-"
MARKER: Final = ".podready-cluster"
"""Made once the folder is locked: without it a folder is not removed."""


@contextmanager
def run_directory() -> Iterator[Path]:
    """Give a new folder (mode 0700) that is gone afterwards; sweep what killed ones have left."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(name, MARKER).touch()
            yield Path(name)
        finally:
            os.close(lock)


def sweep() -> None:
    """Remove our own folders that no process holds any more; what cannot be removed stays."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.geteuid() and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether the folder's lock is free; OSError for a link or a file."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return (folder / MARKER).exists()
    finally:
        os.close(lock)
