"""What a pod's status says, computed from its containers: pure functions, no clock but `now`.

Phases, conditions and reasons as pkg/kubelet/kubelet_pods.go (getPhase) and status/generate.go
make them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from podready.kube.meta import Object, copy_of, set_condition
from podready.kube.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_UNKNOWN: Final = {
    "terminated": {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
    }
}


class ContainerKind(StrEnum):
    """Which group of the pod's containers it belongs to."""

    INIT = "init"
    SIDECAR = "sidecar"  # an init container with restartPolicy Always
    MAIN = "main"


@dataclass(slots=True)
class ContainerRecord:
    """What is known of one container; `state` and `last_state` are in the API's form."""

    name: str
    image: str
    kind: ContainerKind
    state: Object = field(default_factory=dict)
    last_state: Object = field(default_factory=dict)
    restart_count: int = 0
    started: bool = False
    ready: bool = False
    container_id: str = ""

    def wait(self, reason: str, message: str = "") -> None:
        """The container waits, for this reason."""
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        self.started = self.ready = False

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return "running" in self.state

    @property
    def terminated(self) -> Object | None:
        """How its last run ended: of now, or of before when it waits to start again."""
        if "running" in self.state:
            return None
        ended: Object | None = self.state.get("terminated") or self.last_state.get("terminated")
        return ended

    @property
    def exit_code(self) -> int | None:
        """The exit code of its last run, unless it runs or never ran."""
        ended = self.terminated
        return None if ended is None else int(ended["exitCode"])

    @property
    def initialized(self) -> bool:
        """Whether an init container no longer holds up those after it."""
        return self.started if self.kind is ContainerKind.SIDECAR else self.exit_code == 0


@dataclass(frozen=True, slots=True)
class PodFacts:
    """All that a pod's status is made from, besides its previous status."""

    pod: Object
    containers: Sequence[ContainerRecord]
    start_time: datetime
    ip: str = ""
    host_ip: str = ""
    over: bool = False
    """All containers have ended for good, because the pod was deleted."""


def pod_status(facts: PodFacts, previous: Object, now: datetime) -> Object:
    """Return the status; `previous` is the last one, whose transition times live on."""
    main = [c for c in facts.containers if c.kind is ContainerKind.MAIN]
    init = [c for c in facts.containers if c.kind is not ContainerKind.MAIN]
    phase = pod_phase(facts)
    conditions = copy_of({"is": previous.get("conditions") or []})["is"]
    for condition in _conditions(facts, phase, init, main):
        set_condition(conditions, condition, now)
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": conditions,
        "hostIP": facts.host_ip,
        "hostIPs": [{"ip": facts.host_ip}],
        "startTime": rfc3339(facts.start_time),
        "containerStatuses": [container_status(c, over=facts.over) for c in main],
    }
    if init:
        status["initContainerStatuses"] = [container_status(c, over=False) for c in init]
    if facts.ip:
        status |= {"podIP": facts.ip, "podIPs": [{"ip": facts.ip}]}
    return status


def pod_phase(facts: PodFacts) -> str:
    """Return the phase; a deleted pod ends Succeeded or Failed by its exit codes."""
    policy = facts.pod["spec"].get("restartPolicy", "Always")
    main = [c for c in facts.containers if c.kind is ContainerKind.MAIN]
    init = [c for c in facts.containers if c.kind is ContainerKind.INIT]
    if facts.over:
        return "Succeeded" if all(c.exit_code == 0 for c in main) else "Failed"
    if policy == "Never" and any(c.exit_code not in (None, 0) for c in init):
        return "Failed"
    if any(not c.running and c.terminated is None for c in main):
        return "Pending"
    if policy == "Always" or any(c.running for c in main):
        return "Running"
    if all(c.exit_code == 0 for c in main):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def container_status(record: ContainerRecord, *, over: bool) -> Object:
    """Return one entry of containerStatuses."""
    state = record.state
    if over and "terminated" not in state:
        ended = record.last_state.get("terminated")
        state = {"terminated": ended} if ended else _UNKNOWN
    status: dict[str, Any] = {
        "name": record.name,
        "image": record.image,
        "imageID": f"podready://{record.image}" if record.container_id else "",
        "state": state,
        "lastState": record.last_state,
        "ready": record.ready,
        "started": record.started,
        "restartCount": record.restart_count,
    }
    if record.container_id:
        status["containerID"] = record.container_id
    return status


def _conditions(
    facts: PodFacts, phase: str, init: list[ContainerRecord], main: list[ContainerRecord]
) -> list[Object]:
    containers_ready = _containers_ready(phase, init, main)
    return [
        _condition("PodReadyToStartContainers", ok=bool(facts.ip) and not facts.over),
        _initialized(phase, init, main),
        containers_ready,
        _ready(facts.pod, containers_ready),
        _condition("PodScheduled", ok=True),
    ]


def _condition(kind: str, *, ok: bool, reason: str = "", message: str = "") -> Object:
    condition: Object = {"type": kind, "status": "True" if ok else "False"}
    return condition | {k: v for k, v in (("reason", reason), ("message", message)) if v}


def _initialized(phase: str, init: list[ContainerRecord], main: list[ContainerRecord]) -> Object:
    if phase == "Succeeded":
        return _condition("Initialized", ok=True, reason="PodCompleted")
    begun = any(c.running or c.terminated for c in main)
    missing = [] if begun else [c.name for c in init if not c.initialized]
    if missing:
        message = f"containers with incomplete status: [{' '.join(missing)}]"
        return _condition(
            "Initialized", ok=False, reason="ContainersNotInitialized", message=message
        )
    return _condition("Initialized", ok=True)


def _containers_ready(
    phase: str, init: list[ContainerRecord], main: list[ContainerRecord]
) -> Object:
    kind = "ContainersReady"
    if phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        return _condition(kind, ok=False, reason=reason)
    counted = [c for c in init if c.kind is ContainerKind.SIDECAR] + main
    unready = [c.name for c in counted if not c.ready]
    if unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        return _condition(kind, ok=False, reason="ContainersNotReady", message=message)
    return _condition(kind, ok=True)


def _ready(pod: Object, containers_ready: Object) -> Object:
    """Ready is ContainersReady and every readiness gate of the pod."""
    if containers_ready["status"] != "True":
        return containers_ready | {"type": "Ready"}
    by_type = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions") or []}
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    closed = [gate for gate in gates if by_type.get(gate) != "True"]
    if closed:
        message = "; ".join(f'the status of pod readiness gate "{g}" is not "True"' for g in closed)
        return _condition("Ready", ok=False, reason="ReadinessGatesNotReady", message=message)
    return _condition("Ready", ok=True)
