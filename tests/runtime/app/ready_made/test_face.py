"""The folder's face: every name is there, and nothing is imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from podready.runtime.app import ready_made as checks


def test_every_name_resolves() -> None:
    """What `dir` shows can be had, and nothing else."""
    assert dir(checks) == sorted(checks.__all__)
    assert all(callable(getattr(checks, name)) for name in checks.__all__)
    with pytest.raises(AttributeError, match="check_nothing"):
        checks.check_nothing  # noqa: B018 - the access is the test


def test_no_driver_is_imported_unasked() -> None:
    """`import podready.runtime.app.ready_made` costs nothing."""
    script = (
        "import sys, podready.runtime.app.ready_made\n"
        "print({'redis', 'psycopg', 'asyncpg', 'sqlalchemy', 'django', 'http'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
