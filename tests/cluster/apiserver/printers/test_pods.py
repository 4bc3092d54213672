"""The STATUS column, which is what people know pods by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podready.cluster.apiserver.printers.pods import COLUMNS, pod_status

NOW = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)


def pod(
    phase: str = "Running",
    states: tuple[dict[str, Any], ...] = (),
    inits: tuple[dict[str, Any], ...] = (),
    *,
    deleting: bool = False,
    **status: Any,
) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": meta,
        "spec": {
            "containers": [{"name": f"c{n}"} for n in range(max(1, len(states)))],
            "initContainers": [{"name": f"i{n}"} for n in range(len(inits))],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": f"c{n}"} | s for n, s in enumerate(states)],
            "initContainerStatuses": [{"name": f"i{n}"} | s for n, s in enumerate(inits)],
        }
        | status,
    }


def waiting(reason: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}}


def ended(code: int, reason: str = "", signal: int = 0) -> dict[str, Any]:
    return {"state": {"terminated": {"exitCode": code, "reason": reason, "signal": signal}}}


READY = [{"type": "Ready", "status": "True"}]
UP = {"ready": True, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("obj", "status"),
    [
        (pod("Pending"), "Pending"),
        (pod("Pending", (waiting("ContainerCreating"),)), "ContainerCreating"),
        (pod("Running", (UP,)), "Running"),
        (pod("Running", (waiting("CrashLoopBackOff"),)), "CrashLoopBackOff"),
        (pod("Running", (ended(1, "Error"),)), "Error"),
        (pod("Running", (ended(3),)), "ExitCode:3"),
        (pod("Running", (ended(137, signal=9),)), "Signal:9"),
        (pod("Succeeded", (ended(0, "Completed"),)), "Completed"),
        (pod("Running", (ended(0, "Completed"), UP)), "NotReady"),
        (pod("Running", (ended(0, "Completed"), UP), conditions=READY), "Running"),
        (pod("Pending", (waiting("PodInitializing"),), (waiting("PodInitializing"),)), "Init:0/1"),
        (pod("Pending", (), (ended(0), waiting("CrashLoopBackOff"))), "Init:CrashLoopBackOff"),
        (pod("Pending", (), (ended(2, "Error"),)), "Init:Error"),
        (pod("Running", (UP,), (ended(0, "Completed"),)), "Running"),
        (pod("Running", (UP,), deleting=True), "Terminating"),
        (pod("Succeeded", (ended(0, "Completed"),), deleting=True), "Completed"),
        (pod("Running", (UP,), deleting=True, reason="NodeLost"), "Unknown"),
        (pod("Failed", reason="Evicted"), "Evicted"),
    ],
)  # fmt: skip
def test_status(obj: dict[str, Any], status: str) -> None:
    """printers.go's rule: init containers first, then containers from last to first."""
    assert pod_status(obj) == status


def cells(obj: dict[str, Any]) -> dict[str, Any]:
    return {column.name: column.cell(obj, NOW) for column in COLUMNS}


def test_ready_restarts_and_age() -> None:
    """`1/2`, `3 (2m30s ago)`, `10m`."""
    restarted = UP | {
        "restartCount": 3,
        "lastState": {"terminated": {"finishedAt": "2026-01-01T00:07:30Z"}},
    }
    shown = cells(pod("Running", (restarted, waiting("CrashLoopBackOff"))))
    assert (shown["Ready"], shown["Restarts"], shown["Age"]) == ("1/2", "3 (2m30s ago)", "10m")
    assert (shown["IP"], shown["Node"], shown["Readiness Gates"]) == ("<none>",) * 3


def test_sidecars_count_and_readiness_gates_show() -> None:
    """A native sidecar is one more of READY; gates show how many are met."""
    obj = pod("Running", (UP,), (UP | {"started": True},))
    obj["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    obj["spec"]["readinessGates"] = [{"conditionType": "g"}]
    shown = cells(obj)
    assert (shown["Ready"], shown["Status"], shown["Readiness Gates"]) == ("2/2", "Running", "0/1")
