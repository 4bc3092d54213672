"""Why an app does not start, read from its pods. Pure.

A pod says it in three places: the container's state (crash, missing Secret, no image), its
conditions (not scheduled, not ready) and its Events (a probe's last answer).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podready.kube.meta import dig, get_condition, is_deleting, name_of
from podready.kube.workloads import is_ready

Object = dict[str, Any]

_HOPELESS: Final = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "ErrImagePull",
        "ErrImageNeverPull",
        "ImagePullBackOff",
        "InvalidImageName",
        "StartError",
        "PostStartHookError",
    }
)
"""Reasons of a waiting container that waiting does not fix."""


@dataclass(frozen=True, slots=True)
class ContainerProblem:
    """What keeps a container from running."""

    pod: str
    container: str
    reason: str
    message: str


def hopeless(pods: Iterable[Object]) -> ContainerProblem | None:
    """Return the first problem that will not go away by itself."""
    for pod in pods:
        if is_deleting(pod):
            continue
        for status in dig(pod, "status", "containerStatuses", default=[]):
            waiting = dig(status, "state", "waiting", default={})
            if waiting.get("reason") in _HOPELESS:
                return _problem(pod, status, waiting)
    return None


def _problem(pod: Object, status: Object, waiting: Object) -> ContainerProblem:
    reason = waiting["reason"]
    ended = dig(status, "lastState", "terminated", default={})
    if reason == "CrashLoopBackOff" and ended.get("reason") == "StartError":
        message = f"container {status['name']} cannot start: {ended.get('message', '')}"
    elif reason == "CrashLoopBackOff":
        code = ended.get("exitCode", "unknown")
        why = " (out of memory)" if ended.get("reason") == "OOMKilled" else ""
        message = f"container {status['name']} ended with exit code {code}{why} as soon as it ran"
    else:
        message = waiting.get("message") or "no message"
        message = f"container {status['name']} cannot start: {message} ({reason})"
    return ContainerProblem(name_of(pod), status["name"], reason, message)


def never_ready(pods: Sequence[Object], events: Sequence[Object], seconds: float) -> str:
    """Return the sentence for pods that run and do not become ready in time."""
    waiting = [pod for pod in pods if not is_ready(pod) and not is_deleting(pod)]
    if not waiting:
        return f"no pod appeared within {seconds:g} s"
    pod = waiting[0]
    scheduled = get_condition(pod, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        return f"pod {name_of(pod)} was not scheduled: {scheduled.get('message', '')}"
    detail = last_message(events, "Unhealthy") or last_message(events, "Failed")
    because = f": {detail}" if detail else ""
    return f"pod {name_of(pod)} was not ready after {seconds:g} s{because}"


def last_message(events: Sequence[Object], reason: str) -> str:
    """Return the newest message of that reason, "" when there is none."""
    messages = [str(e.get("message", "")) for e in events if e.get("reason") == reason]
    return messages[-1] if messages else ""


def failed_create(deployment: Object | None) -> str:
    """Return why no pod could be created (the ReplicaFailure condition), or ""."""
    condition = get_condition(deployment or {}, "ReplicaFailure") or {}
    return str(condition.get("message", "")) if condition.get("status") == "True" else ""
