"""Paths of AF_UNIX sockets of any length.

The kernel takes 107 bytes (`sun_path` in unix(7)); a TMPDIR of a CI system can be longer than that
all by itself. Seen through a descriptor of its folder, each path is short.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short(path: Path) -> Iterator[str]:
    """Give a short name for a socket in an existing folder; it holds inside the block only."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
