"""The columns of pods, and the STATUS rule that people know pods by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.apiserver.printers.column import AGE, NAME, NONE, Cell, Column, age_of
from podready.kube.meta import Object, dig, get_condition, is_deleting, is_true

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_TERMINAL = ("Succeeded", "Failed")


def pod_status(pod: Object) -> str:
    """Return the STATUS of `kubectl get pods` (printers.go, printPod)."""
    reason = str(dig(pod, "status", "reason") or dig(pod, "status", "phase", default="Unknown"))
    scheduled = get_condition(pod, "PodScheduled") or {}
    if scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    initializing = _init_status(pod)
    if initializing is None or is_true(pod, "Initialized"):
        reason = _container_status(pod, reason)
    else:
        reason = initializing
    if not is_deleting(pod):
        return reason
    if dig(pod, "status", "reason") == "NodeLost":
        return "Unknown"
    return reason if dig(pod, "status", "phase") in _TERMINAL else "Terminating"


def _init_status(pod: Object) -> str | None:
    """Return `Init:…` while init containers hold the pod up, else None."""
    specs = {c["name"]: c for c in dig(pod, "spec", "initContainers", default=[])}
    statuses = dig(pod, "status", "initContainerStatuses", default=[])
    for index, status in enumerate(statuses):
        state = status.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended and ended.get("exitCode") == 0:
            continue
        if _is_sidecar(specs.get(status["name"])) and status.get("started"):
            continue
        if ended:
            return f"Init:{_ended(ended)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(specs)}"
    return None


def _container_status(pod: Object, reason: str) -> str:
    """Walk the containers from last to first; each overwrites the reason of the one before."""
    running = False
    for status in reversed(dig(pod, "status", "containerStatuses", default=[])):
        state = status.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            reason = _ended(ended)
        elif status.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        return "Running" if is_true(pod, "Ready") else "NotReady"
    return reason


def _ended(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode')}"


def _is_sidecar(container: Object | None) -> bool:
    return container is not None and container.get("restartPolicy") == "Always"


def _counted(pod: Object) -> Iterable[Object]:
    """Yield the statuses that READY and RESTARTS count: containers and sidecars."""
    sidecars = {c["name"] for c in dig(pod, "spec", "initContainers", default=[]) if _is_sidecar(c)}
    for status in dig(pod, "status", "initContainerStatuses", default=[]):
        if status["name"] in sidecars:
            yield status
    yield from dig(pod, "status", "containerStatuses", default=[])


def _ready(pod: Object, _: datetime) -> Cell:
    inits = [c for c in dig(pod, "spec", "initContainers", default=[]) if _is_sidecar(c)]
    total = len(dig(pod, "spec", "containers", default=[])) + len(inits)
    ready = sum(
        1
        for status in _counted(pod)
        if status.get("ready") and "running" in (status.get("state") or {})
    )
    return f"{ready}/{total}"


def _restarts(pod: Object, now: datetime) -> Cell:
    statuses = list(_counted(pod))
    count = sum(status.get("restartCount", 0) for status in statuses)
    ends = [dig(status, "lastState", "terminated", "finishedAt") for status in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({age_of(last, now)} ago)" if count and last else str(count)


def _readiness_gates(pod: Object, _: datetime) -> Cell:
    gates = dig(pod, "spec", "readinessGates", default=[])
    met = sum(is_true(pod, gate["conditionType"]) for gate in gates)
    return f"{met}/{len(gates)}" if gates else NONE


COLUMNS = (
    NAME,
    Column("Ready", _ready),
    Column("Status", lambda pod, _: pod_status(pod)),
    Column("Restarts", _restarts),
    AGE,
    Column("IP", lambda pod, _: dig(pod, "status", "podIP", default=NONE), wide=True),
    Column("Node", lambda pod, _: dig(pod, "spec", "nodeName", default=NONE), wide=True),
    Column(
        "Nominated Node",
        lambda pod, _: dig(pod, "status", "nominatedNodeName", default=NONE),
        wide=True,
    ),
    Column("Readiness Gates", _readiness_gates, wide=True),
)
