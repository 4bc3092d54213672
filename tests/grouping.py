"""Which tests run one after the other in the same process, where several processes share them."""

from __future__ import annotations

import re
from typing import Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

MEASURING: Final = (
    "tests/e2e/test_rehearse_cli.py",
    "tests/e2e/test_rehearse_database.py",
    "tests/e2e/test_rehearse_examples.py",
    "tests/e2e/test_rehearse_interrupted.py",
    "tests/e2e/test_rehearse_ordinary_user.py",
    "tests/examples/test_image.py",  # measures nothing, but fills the disk's queue with images
)
"""Rehearsals whose verdict counts: one at a time."""

WHOLE_FILES: Final = (
    "tests/runtime/app/ready_made/test_postgres.py",  # one server
    "tests/test_leftovers.py",  # one run of pytest
)
"""Files that make something at a price, once for all their tests."""

_CASE: Final = re.compile(r"\[.*?-(?:uvicorn|granian)\b")


def group_of(test: str) -> str:
    """Return the group of a test by its node id; most are alone."""
    file = test.partition("::")[0]
    if file in MEASURING:
        return "rehearsals"
    if file.startswith("tests/frameworks/") and (case := _CASE.search(test)):
        return f"{file}{case[0]}"  # one pod for each case
    return file if file in WHOLE_FILES else test


class InGroups(LoadScopeScheduling):  # type: ignore[misc]
    """Gives groups of tests to the processes, the largest first.

    `--dist loadgroup` would do, but finds no groups under pytest 9.2 (pytest-xdist#1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
