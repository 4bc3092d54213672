"""Events: written once, counted when they repeat."""

from __future__ import annotations

from typing import Any

import pytest

from podready.cluster.client.protocol import Client
from podready.cluster.client.recorder import Recorder
from podready.kube.gvk import EVENT, NODE, POD


async def made_pod(client: Client) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "i"}]}
    return await client.create(POD, "default", {"metadata": {"name": "p"}, "spec": spec})


async def test_a_repeated_event_is_counted(client: Client) -> None:
    """One object, count 3; another message is another event."""
    pod = await made_pod(client)
    recorder = Recorder(client, "kubelet", host="node-1")
    for _ in range(3):
        await recorder.event(pod, "Warning", "BackOff", "again", field_path="spec.containers{web}")
    await recorder.event(pod, "Normal", "Pulled", "here")
    events = {e["reason"]: e for e in (await client.list(EVENT, "default")).items}
    back_off = events["BackOff"]
    assert (back_off["count"], events["Pulled"]["count"]) == (3, 1)
    assert back_off["source"] == {"component": "kubelet", "host": "node-1"}
    assert back_off["involvedObject"]["fieldPath"] == "spec.containers{web}"
    assert back_off["involvedObject"]["uid"] == pod["metadata"]["uid"]
    assert back_off["type"] == "Warning"
    about = f"involvedObject.name=p,involvedObject.uid={pod['metadata']['uid']}"
    assert len((await client.list(EVENT, "default", field_selector=about)).items) == 2


async def test_an_event_that_was_deleted_is_written_anew(client: Client) -> None:
    """Event objects live for an hour only."""
    pod = await made_pod(client)
    recorder = Recorder(client, "kubelet")
    await recorder.event(pod, "Normal", "Pulled", "here")
    (event,) = (await client.list(EVENT)).items
    await client.delete(EVENT, "default", event["metadata"]["name"])
    await recorder.event(pod, "Normal", "Pulled", "here")
    (event,) = (await client.list(EVENT)).items
    assert event["count"] == 1


async def test_events_of_cluster_wide_objects_live_in_default(client: Client) -> None:
    """A node has no namespace of its own."""
    node = await client.create(NODE, None, {"metadata": {"name": "node-1"}})
    await Recorder(client, "kubelet").event(node, "Normal", "NodeReady", "up")
    (event,) = (await client.list(EVENT, "default")).items
    assert event["involvedObject"]["kind"] == "Node"


async def test_telling_never_stops_doing(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """An event that the API refuses is logged, not raised."""
    stray = {"kind": "Pod", "metadata": {"name": "p", "namespace": "nowhere", "uid": "u"}}
    await Recorder(client, "kubelet").event(stray, "Normal", "Pulled", "here")
    assert "was not recorded" in caplog.text
