"""What a Deployment's status says: counts, Available, and whether the rollout moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.kube.meta import Object, copy_of, get_condition, name_of, remove_condition
from podready.kube.rollout import bounds_of, has_progressed, is_complete, seconds_to_deadline
from podready.kube.times import parse_time, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from podready.cluster.controllers.deployment.revisions import Rollout

NO_DEADLINE = 2**31 - 1
"""progressDeadlineSeconds of this value (MaxInt32) means none."""

COMPLETE, TIMED_OUT = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"


def put_condition(
    conditions: list[Object], kind: str, status: str, reason: str, message: str, now: datetime
) -> None:
    """Set a condition, unless one of the same status and reason is there already.

    lastTransitionTime moves with the status, lastUpdateTime with each change.
    """
    found = next((c for c in conditions if c["type"] == kind), None)
    if found and (found["status"], found["reason"]) == (status, reason):
        return
    since = found["lastTransitionTime"] if found and found["status"] == status else rfc3339(now)
    conditions[:] = [c for c in conditions if c["type"] != kind]
    conditions.append(
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastUpdateTime": rfc3339(now),
            "lastTransitionTime": since,
        }
    )


def conditions_in(status: Object) -> list[Object]:
    """Return the status' own list of conditions, made when it was missing."""
    found: list[Object] = status.setdefault("conditions", [])
    return found


def note_pause(deployment: Object, now: datetime) -> None:
    """Say in Progressing that the rollout is paused, or was; a deadline does not run meanwhile."""
    if not has_deadline(deployment):
        return
    current = get_condition(deployment, "Progressing") or {}
    reason, paused = current.get("reason"), bool(deployment["spec"].get("paused"))
    if reason == TIMED_OUT or paused == (reason == PAUSED):
        return
    status = deployment.setdefault("status", {})
    reason, text = (PAUSED, "paused") if paused else (RESUMED, "resumed")
    message = f"Deployment is {text}"
    put_condition(conditions_in(status), "Progressing", "Unknown", reason, message, now)


def next_status(rollout: Rollout, now: datetime) -> Object:
    """Return the status that the ReplicaSets give: counts and Available, Progressing untouched."""
    deployment = rollout.deployment
    before, bounds = deployment.get("status") or {}, bounds_of(deployment["spec"])
    available = _total(rollout.sets, "availableReplicas")
    specified = sum(rs["spec"].get("replicas", 1) for rs in rollout.sets)
    status = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _total(rollout.sets, "replicas"),
        "updatedReplicas": _total([rollout.new] if rollout.new else [], "replicas"),
        "readyReplicas": _total(rollout.sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, specified - available),
        "terminatingReplicas": _total(rollout.sets, "terminatingReplicas"),
        "conditions": copy_of({"": before.get("conditions") or []})[""],
    }
    if "collisionCount" in before:
        status["collisionCount"] = before["collisionCount"]
    state = "Available" if available >= bounds.least else "Unavailable"
    yes, has = ("True", "has") if state == "Available" else ("False", "does not have")
    message = f"Deployment {has} minimum availability."
    put_condition(status["conditions"], "Available", yes, f"MinimumReplicas{state}", message, now)
    return status


def _total(sets: Iterable[Object], count: str) -> int:
    return sum((rs.get("status") or {}).get(count, 0) for rs in sets)


def note_progress(status: Object, rollout: Rollout, now: datetime) -> None:
    """Judge in Progressing whether the rollout is complete, moves or is stuck."""
    deployment, conditions = rollout.deployment, status["conditions"]
    if not has_deadline(deployment):
        remove_condition(conditions, "Progressing")
        return
    current = get_condition(status_of(status), "Progressing")
    settled = current is not None and current["reason"] == COMPLETE
    if settled and status["replicas"] == status["updatedReplicas"]:
        return
    subject = f'ReplicaSet "{name_of(rollout.new)}"' if rollout.new else _named(deployment)
    if _is_complete(deployment, status):
        text = f"{subject} has successfully progressed."
        put_condition(conditions, "Progressing", "True", COMPLETE, text, now)
    elif has_progressed(deployment.get("status") or {}, status):
        _put_progress(conditions, f"{subject} is progressing.", now)
    elif _is_stuck(current, deployment, now):
        text = f"{subject} has timed out progressing."
        put_condition(conditions, "Progressing", "False", TIMED_OUT, text, now)


def status_of(status: Object) -> Object:
    """Return an object with this status, for the functions that read conditions of objects."""
    return {"status": status}


def _named(deployment: Object) -> str:
    return f'Deployment "{name_of(deployment)}"'


def _put_progress(conditions: list[Object], message: str, now: datetime) -> None:
    """Set ReplicaSetUpdated; its update time moves even with the same reason: the deadline counts
    from there."""
    current = get_condition(status_of({"conditions": conditions}), "Progressing")
    remove_condition(conditions, "Progressing")
    put_condition(conditions, "Progressing", "True", "ReplicaSetUpdated", message, now)
    if current is not None and current["status"] == "True":
        conditions[-1]["lastTransitionTime"] = current["lastTransitionTime"]


def note_failures(status: Object, rollout: Rollout) -> None:
    """Carry ReplicaFailure of a ReplicaSet (the new one first) over to the Deployment."""
    conditions = status["conditions"]
    remove_condition(conditions, "ReplicaFailure")
    found = (get_condition(rs, "ReplicaFailure") for rs in reversed(rollout.sets))
    failure = next((condition for condition in found if condition), None)
    if failure:
        conditions.append({**failure, "lastUpdateTime": failure["lastTransitionTime"]})


def has_deadline(deployment: Object) -> bool:
    """Whether the rollout is expected to move within some time."""
    seconds: int = deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE)
    return seconds != NO_DEADLINE


def _is_complete(deployment: Object, status: Object) -> bool:
    generation = deployment["metadata"].get("generation", 0)
    return is_complete(deployment["spec"].get("replicas", 1), generation, status)


def is_rolled_out(deployment: Object) -> bool:
    """Whether the status last written says that the rollout is complete."""
    return _is_complete(deployment, deployment.get("status") or {})


def _is_stuck(current: Object | None, deployment: Object, now: datetime) -> bool:
    if current is None or current["reason"] == COMPLETE:
        return False
    return bool(current["reason"] == TIMED_OUT) or _seconds_left(current, deployment, now) < 0


def _seconds_left(current: Object, deployment: Object, now: datetime) -> float:
    deadline = deployment["spec"]["progressDeadlineSeconds"]
    return seconds_to_deadline(parse_time(current["lastUpdateTime"]), deadline, now)


def next_check(deployment: Object, status: Object, now: datetime) -> float | None:
    """Return the seconds until the deadline has to be checked, None when nothing can be late.

    A second more than is left, as timestamps have whole seconds only (requeueStuckDeployment).
    """
    current = get_condition(status_of(status), "Progressing")
    if current is None or not has_deadline(deployment) or _is_complete(deployment, status):
        return None
    if current["reason"] in (TIMED_OUT, COMPLETE, PAUSED):
        return None
    return max(1.0, _seconds_left(current, deployment, now) + 1.0)
