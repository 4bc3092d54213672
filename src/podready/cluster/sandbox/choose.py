"""Which way of running pods this machine allows, found out by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.cluster.sandbox.interface import SandboxChoice
from podready.cluster.sandbox.netns import NetnsSandbox
from podready.cluster.sandbox.plain import PlainSandbox
from podready.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from podready.cluster.sandbox.forked import ForkedSandbox
    from podready.cluster.sandbox.interface import Sandbox

WAYS: Final[tuple[type[ForkedSandbox], ...]] = (NetnsSandbox, PlainSandbox)
"""Best first."""


async def choose(name: str = "auto") -> Sandbox:
    """Return a started sandbox: the named one, or with `auto` the best that works here.

    Its `choice` says which were skipped and why. ClusterError when the named one does not
    work, UsageError when there is no such way.
    """
    wanted = [way for way in WAYS if name in ("auto", way.name)]
    if not wanted:
        names = ", ".join(("auto", *(way.name for way in WAYS)))
        raise UsageError(f"unknown sandbox {name!r}: choose one of {names}")
    passed_over: list[tuple[str, str]] = []
    for way in wanted:
        try:
            sandbox: ForkedSandbox = await way.start()
            await _try_out(sandbox)
        except (ClusterError, OSError) as error:
            passed_over.append((way.name, str(error)))
        else:
            sandbox.choice = SandboxChoice(way.name, tuple(passed_over))
            return sandbox
    reasons = "; ".join(f"{way}: {reason}" for way, reason in passed_over)
    raise ClusterError(f"no way to run pods works on this machine ({reasons})")


async def _try_out(sandbox: ForkedSandbox) -> None:
    """Make one pod and end it: a kernel may refuse a network where it allowed a namespace."""
    try:
        pod = await sandbox.pod("podready", "try-out", "try-out")
    except BaseException:
        await sandbox.close()
        raise
    await pod.close()
