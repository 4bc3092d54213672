"""The kubelet on plain processes: the same story, with what plain cannot show left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cluster.kubelet.conftest import Node, container_status, server

from podready.cluster.sandbox.plain import PlainSandbox

READINESS = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}


@pytest.fixture
async def plain_node(tmp_path: Path) -> AsyncIterator[Node]:
    """Return a started node whose pods are ordinary processes."""
    sandbox = await PlainSandbox.start()
    made = Node(sandbox, tmp_path)
    await made.kubelet.start()
    yield made
    await made.close()
    await sandbox.close()


@pytest.mark.slow
async def test_two_pods_live_and_end(plain_node: Node) -> None:
    """Both serve port 8000 on their own addresses, get SIGTERM and exit 0."""
    node = plain_node
    node.dockerfile("WORKDIR /srv/podready-test", "CMD x")
    for name in ("one", "two"):
        await node.pod({"command": server(), "readinessProbe": READINESS}, name=name)
    one, two = await node.until_ready("one"), await node.until_ready("two")
    assert one["status"]["podIP"] != two["status"]["podIP"]

    await node.delete("one")
    states = await node.until_gone("one")

    assert container_status(states[-1])["state"]["terminated"]["exitCode"] == 0
    assert (await node.get("two"))["status"]["phase"] == "Running"


async def test_a_volume_that_cannot_be_shown_is_told(plain_node: Node) -> None:
    """Where no path exists plain cannot show a volume, and an event says so."""
    container = {
        "command": server(),
        "volumeMounts": [{"name": "work", "mountPath": "/podready/no/such/path"}],
    }
    await plain_node.pod(container, volumes=[{"name": "work", "emptyDir": {}}])

    assert "/podready/no/such/path" in await plain_node.until_event("FailedMount")
