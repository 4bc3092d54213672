"""The system calls that end a process with its parent."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ORPHAN = """
import os, select, sys
from podready.cluster.sandbox.syscalls import CLONE_NEWPID, CLONE_NEWUSER, die_with, unshare

try:
    unshare(CLONE_NEWUSER | CLONE_NEWPID)
except OSError:
    print("refused")
    sys.exit()
parent = os.pidfd_open(os.getpid())
if os.fork() == 0:
    select.select([parent], [], [])  # the parent has ended before the kernel was asked
    die_with(parent)
    os.write(1, b"survived")
"""


def test_a_child_in_its_own_pid_namespace_sees_that_its_parent_has_ended() -> None:
    """Its parent is 0 there, dead or alive; it must not live on without anyone to end it."""
    done = subprocess.run(
        [sys.executable, "-c", _ORPHAN], capture_output=True, text=True, timeout=60, check=True
    )
    if done.stdout == "refused\n":
        pytest.skip("this kernel refuses user namespaces")
    assert done.stdout == ""
