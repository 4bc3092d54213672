"""Which tests run one after the other in the same process, where several processes share them."""

from __future__ import annotations

import re
from typing import Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

WHOLE_FILES: Final = (
    "tests/examples/test_image.py",  # one Docker engine
    "tests/runtime/app/ready_made/test_postgres.py",  # one server
    "tests/test_leftovers.py",  # one run of pytest
)
"""Files that make something at a price, once for all their tests."""

_CASE: Final = re.compile(r"\[.*?-(?:uvicorn|granian)\b")


def group_of(test: str) -> str:
    """Return the group of a test by its node id; most are alone."""
    file = test.partition("::")[0]
    if file.startswith("tests/e2e/"):  # rehearsals measure: one at a time
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
