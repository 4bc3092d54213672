"""Choosing how to run pods, by trying."""

from __future__ import annotations

from typing import Any

import pytest

from podready.cluster.sandbox import choose as module
from podready.cluster.sandbox.choose import choose
from podready.cluster.sandbox.netns import NetnsSandbox
from podready.cluster.sandbox.plain import PlainSandbox
from podready.errors import ClusterError, UsageError


class RefusedSandbox(NetnsSandbox):
    """Namespaces on a kernel that refuses them, as in a default Docker container."""

    @classmethod
    async def start(cls) -> Any:
        raise ClusterError("this kernel refuses namespaces to us: Operation not permitted")


async def test_auto_falls_back_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not work is passed over, with the kernel's reason."""
    monkeypatch.setattr(module, "WAYS", (RefusedSandbox, PlainSandbox))

    sandbox = await choose()

    await sandbox.close()
    assert sandbox.choice.name == "plain"
    [(way, reason)] = sandbox.choice.passed_over
    assert way == "netns"
    assert "Operation not permitted" in reason


async def test_a_named_way_is_taken_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a way gets that one, or hears why not."""
    sandbox = await choose("plain")
    await sandbox.close()
    assert (sandbox.name, sandbox.choice.passed_over) == ("plain", ())

    monkeypatch.setattr(module, "WAYS", (RefusedSandbox, PlainSandbox))
    with pytest.raises(ClusterError, match="netns: this kernel refuses"):
        await choose("netns")


async def test_an_unknown_way() -> None:
    """A misspelt name is answered with the names there are."""
    with pytest.raises(UsageError, match="auto, netns, plain"):
        await choose("netnss")
