"""Phases and conditions of a pod, from its containers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podready.cluster.kubelet.pod_status import (
    ContainerKind,
    ContainerRecord,
    PodFacts,
    pod_status,
)
from podready.kube.meta import Object, get_condition

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(name: str, state: str, *, kind: str = "main", **changes: Any) -> ContainerRecord:
    """Return a container that is `waiting`, `running`, or ended with an exit code like `7`."""
    made = ContainerRecord(name, "x", ContainerKind(kind))
    if state == "waiting":
        made.wait("ContainerCreating")
    elif state == "running":
        made.state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        made.started = made.ready = True
    else:
        made.state = {"terminated": {"exitCode": int(state), "reason": "Error"}}
    for field, value in changes.items():
        setattr(made, field, value)
    return made


def status(
    *records: ContainerRecord, policy: str = "Always", over: bool = False, **previous: Any
) -> Object:
    """Return the status of a pod with these containers."""
    pod = {"metadata": {}, "spec": {"restartPolicy": policy}}
    facts = PodFacts(pod, records, NOW, "10.244.0.2", "127.0.0.1", over)
    return pod_status(facts, previous, NOW)


def condition(said: Object, kind: str) -> tuple[str, str, str]:
    """Return status, reason and message of a condition."""
    found = get_condition({"status": said}, kind) or {}
    return found["status"], found.get("reason", ""), found.get("message", "")


@pytest.mark.parametrize(
    ("states", "policy", "over", "phase"),
    [
        (["waiting"], "Always", False, "Pending"),
        (["running", "waiting"], "Always", False, "Pending"),
        (["running"], "Always", False, "Running"),
        (["1"], "Always", False, "Running"),
        (["0"], "Never", False, "Succeeded"),
        (["0", "1"], "Never", False, "Failed"),
        (["0", "running"], "Never", False, "Running"),
        (["1"], "OnFailure", False, "Running"),
        (["0"], "OnFailure", False, "Succeeded"),
        (["0"], "Always", True, "Succeeded"),
        (["143"], "Always", True, "Failed"),
        (["waiting"], "Always", True, "Failed"),
    ],
)
def test_phase(states: list[str], policy: str, over: bool, phase: str) -> None:
    """The phase follows from what runs, how the rest ended, and the restart policy."""
    records = [record(f"c{n}", state) for n, state in enumerate(states)]

    assert status(*records, policy=policy, over=over)["phase"] == phase


def test_a_crash_loop_is_running() -> None:
    """A container that waits to start again has run: the pod stays Running."""
    crashed = record("a", "waiting", last_state={"terminated": {"exitCode": 1}})

    assert status(crashed)["phase"] == "Running"


def test_ready_names_the_containers_that_are_not() -> None:
    """ContainersReady and Ready say which containers hold the pod back."""
    said = status(record("a", "running"), record("b", "running", ready=False))

    expected = ("False", "ContainersNotReady", "containers with unready status: [b]")
    assert condition(said, "Ready") == condition(said, "ContainersReady") == expected
    assert condition(status(record("a", "running")), "Ready") == ("True", "", "")


def test_init_containers_hold_initialized_back() -> None:
    """Initialized waits for init containers to complete and for sidecars to start."""
    init = record("migrate", "running", kind="init")
    sidecar = record("proxy", "running", kind="sidecar", started=False)
    said = status(init, sidecar, record("a", "waiting"))

    reason = "containers with incomplete status: [migrate proxy]"
    assert condition(said, "Initialized") == ("False", "ContainersNotInitialized", reason)
    assert [each["name"] for each in said["initContainerStatuses"]] == ["migrate", "proxy"]
    begun = status(init, sidecar, record("a", "running"))
    assert condition(begun, "Initialized")[0] == "True"


def test_a_failed_init_container_ends_the_pod_under_never() -> None:
    """With restartPolicy Never nothing starts after a failed init container."""
    failed = record("migrate", "1", kind="init")

    assert status(failed, record("a", "waiting"), policy="Never")["phase"] == "Failed"
    assert status(failed, record("a", "waiting"))["phase"] == "Pending"


def test_the_end_of_a_pod() -> None:
    """At its end a pod is not ready, for the reason of its phase; nobody is left waiting."""
    said = status(record("a", "0"), over=True)
    assert condition(said, "Ready") == ("False", "PodCompleted", "")
    assert condition(said, "Initialized") == ("True", "PodCompleted", "")

    never = status(record("a", "waiting"), over=True)
    ended = never["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    assert condition(never, "Ready")[1] == "PodFailed"


def test_readiness_gates() -> None:
    """A pod with a gate is ready only when somebody has set that condition."""
    pod: dict[str, Any] = {
        "spec": {"readinessGates": [{"conditionType": "load-balancer"}]},
        "status": {"conditions": []},
    }
    facts = PodFacts(pod, [record("a", "running")], NOW, "10.244.0.2")
    assert condition(pod_status(facts, {}, NOW), "Ready")[1] == "ReadinessGatesNotReady"

    pod["status"]["conditions"].append({"type": "load-balancer", "status": "True"})
    assert condition(pod_status(facts, {}, NOW), "Ready")[0] == "True"


def test_transition_times_move_only_with_the_status() -> None:
    """A condition that stays keeps its time; conditions of others are kept as they are."""
    pod: Object = {"metadata": {}, "spec": {}}
    facts = PodFacts(pod, [record("a", "running")], NOW, "10.244.0.2")
    target = {"type": "DisruptionTarget", "status": "True"}
    first = pod_status(facts, {"conditions": [target]}, NOW)
    later = pod_status(facts, first, NOW + timedelta(minutes=1))

    assert later == first
    assert target in first["conditions"]
