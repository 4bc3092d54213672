"""The programs besides Python that some tests need; a test skips where its part is missing.

PODREADY_TEST_PARTS=none hides all of them: so `make test-newcomer` runs the suite on any machine
as it runs on one that has just cloned the repository.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def program(name: str, *folders: str) -> str | None:
    """Return the path of a program, also from Debian's folders beside the PATH; None without it.

    `folders` are patterns below the root; of several versions the newest is taken.
    """
    if os.environ.get("PODREADY_TEST_PARTS") == "none":
        return None
    beside = [
        str(found) for each in folders for found in sorted(Path("/").glob(each), reverse=True)
    ]
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *beside])
    )
