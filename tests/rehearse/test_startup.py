"""Why an app does not start, as its pods tell it."""

from __future__ import annotations

from typing import Any

import pytest

from podready.rehearse.startup import failed_create, hopeless, never_ready


def pod(name: str = "web-1", **changes: Any) -> dict[str, Any]:
    """Return a pod with one container in this state."""
    status = {"name": "main", "state": {}, **changes}
    return {"metadata": {"name": name}, "status": {"containerStatuses": [status]}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """Return the state of a waiting container."""
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            pod(
                state=waiting("CrashLoopBackOff"),
                lastState={"terminated": {"exitCode": 1, "reason": "Error"}},
            ),
            "container main ended with exit code 1 as soon as it ran",
        ),
        (
            pod(
                state=waiting("CrashLoopBackOff"),
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            ),
            "exit code 137 (out of memory)",
        ),
        (
            pod(
                state=waiting("CrashLoopBackOff"),
                lastState={
                    "terminated": {
                        "exitCode": 128,
                        "reason": "StartError",
                        "message": 'failed to start container "main": exec: "gunicorn": not found',
                    }
                },
            ),
            'container main cannot start: failed to start container "main": exec: "gunicorn"',
        ),
        (
            pod(state=waiting("CreateContainerConfigError", 'secret "hello" not found')),
            'cannot start: secret "hello" not found (CreateContainerConfigError)',
        ),
        (pod(state=waiting("ErrImagePull", "no Dockerfile")), "no Dockerfile (ErrImagePull)"),
    ],
)
def test_hopeless_states(made: dict[str, Any], message: str) -> None:
    """Waiting would not mend these."""
    problem = hopeless([pod(), made])
    assert problem is not None
    assert message in problem.message
    assert (problem.pod, problem.container) == ("web-1", "main")


@pytest.mark.parametrize("made", [pod(), pod(state=waiting("ContainerCreating"))])
def test_states_that_pass(made: dict[str, Any]) -> None:
    """A container that is being made, or runs, is no problem yet."""
    assert hopeless([made]) is None


def test_a_pod_on_its_way_out_does_not_count() -> None:
    """It has its own end before it."""
    made = pod(state=waiting("CrashLoopBackOff"))
    made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert hopeless([made]) is None


def test_never_ready_quotes_the_probe() -> None:
    """The last Unhealthy event says what the probe got."""
    events = [
        {"reason": "Unhealthy", "message": "old"},
        {"reason": "Unhealthy", "message": "Readiness probe failed: 503"},
        {"reason": "Started", "message": "x"},
    ]
    told = never_ready([pod()], events, 60)
    assert told == "pod web-1 was not ready after 60 s: Readiness probe failed: 503"


def test_never_scheduled_and_never_created() -> None:
    """Before there is a container there may be no node, or no pod at all."""
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}
    unscheduled = {"metadata": {"name": "web-1"}, "status": {"conditions": [condition]}}
    assert never_ready([unscheduled], [], 60) == "pod web-1 was not scheduled: 0/3 nodes"
    assert never_ready([], [], 60) == "no pod appeared within 60 s"
    failure = {"type": "ReplicaFailure", "status": "True", "message": "forbidden"}
    assert failed_create({"status": {"conditions": [failure]}}) == "forbidden"
    assert failed_create(None) == ""
