"""Pods as the workload controllers see them: ready, available, first to go, from a template.

Pure functions over pod and template dicts, after kubernetes/pkg/controller/controller_utils.go
and pkg/api/v1/pod. What a pod's conditions say is the kubelet's work; this module reads them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from podready.kube.meta import Object, annotations_of, get_condition, is_deleting, is_true
from podready.kube.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

POD_TEMPLATE_HASH = "pod-template-hash"
"""The label that tells the pods of one Deployment's revisions apart."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""The annotation by which an application asks that cheaper pods go first; default 0."""

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})

_SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels, so that no hash spells a word (k8s.io/apimachinery/pkg/util/rand)."""


def is_terminal(pod: Object) -> bool:
    """Return whether all containers ended for good (phase Succeeded or Failed)."""
    return (pod.get("status") or {}).get("phase") in TERMINAL_PHASES


def is_active(pod: Object) -> bool:
    """Return whether a ReplicaSet counts the pod: neither deleted nor ended."""
    return not is_deleting(pod) and not is_terminal(pod)


def is_ready(pod: Object) -> bool:
    """Return whether the pod's Ready condition is True."""
    return is_true(pod, "Ready")


def ready_since(pod: Object) -> datetime | None:
    """Return when the pod became ready, or None while it is not."""
    condition = get_condition(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    return _moment(condition.get("lastTransitionTime"))


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def seconds_to_available(pod: Object, min_ready_seconds: int, now: datetime) -> float | None:
    """Return the seconds until a pod counts as available: 0 when it does, None if not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if min_ready_seconds == 0 or since is None:
        return 0.0 if min_ready_seconds == 0 else None
    return max(0.0, min_ready_seconds - (now - since).total_seconds())


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Return whether the pod has been ready for at least `min_ready_seconds`."""
    return seconds_to_available(pod, min_ready_seconds, now) == 0.0


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What decides whether a pod goes before another."""

    pod: Object
    on_same_node: int
    ready: datetime | None
    created: datetime | None
    uid: str

    @property
    def order(self) -> tuple[int, ...]:
        """Return the rules that need no clock; the smaller goes first."""
        phases = {"Pending": 0, "Unknown": 1, "Running": 2}
        assigned = bool(self.pod["spec"].get("nodeName"))
        phase = phases.get((self.pod.get("status") or {}).get("phase", "Pending"), 0)
        return (assigned, phase, is_ready(self.pod), _deletion_cost(self.pod), -self.on_same_node)


def deletion_order(
    pods: Sequence[Object], related: Iterable[Object], now: datetime
) -> list[Object]:
    """Return `pods`, the first to delete first (ActivePodsWithRanks).

    Unassigned before assigned; Pending, Unknown, Running; not ready before ready; cheaper
    deletion cost; more `related` pods (of the same Deployment) on its node; ready for a shorter
    time; more restarts; newer. Times are compared by their binary logarithm, so pods of about
    the same age are taken by uid: at random, but the same each time.
    """
    per_node = Counter(pod["spec"].get("nodeName") for pod in related if is_active(pod))
    candidates = [_candidate(pod, per_node[pod["spec"].get("nodeName")]) for pod in pods]
    ordered = sorted(candidates, key=cmp_to_key(_comparison(now)))
    return [candidate.pod for candidate in ordered]


def _candidate(pod: Object, on_same_node: int) -> _Candidate:
    meta = pod["metadata"]
    created = _moment(meta.get("creationTimestamp"))
    return _Candidate(pod, on_same_node, ready_since(pod), created, meta.get("uid", ""))


def _comparison(now: datetime) -> Callable[[_Candidate, _Candidate], int]:
    """Return the comparison of two candidates: negative when the first goes first."""

    def compare(a: _Candidate, b: _Candidate) -> int:
        if a.order != b.order:
            return -1 if a.order < b.order else 1
        if a.ready != b.ready:
            return _younger_first(a.ready, b.ready, now) or _by_uid(a, b)
        if _restarts(a.pod) != _restarts(b.pod):
            return _restarts(b.pod) - _restarts(a.pod)
        return _younger_first(a.created, b.created, now) or _by_uid(a, b)

    return compare


def _younger_first(a: datetime | None, b: datetime | None, now: datetime) -> int:
    if a is None or b is None:
        return (a is not None) - (b is not None)
    return _log_age(a, now) - _log_age(b, now)


def _log_age(since: datetime, now: datetime) -> int:
    """Return the binary logarithm of an age in nanoseconds, as LogarithmicScaleDown does."""
    age = (now - since).total_seconds()
    return int(math.log2(age * 1e9)) if age > 0 else -1


def _by_uid(a: _Candidate, b: _Candidate) -> int:
    return (a.uid > b.uid) - (a.uid < b.uid)


def _restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((s.get("restartCount", 0) for s in statuses), default=0)


def _deletion_cost(pod: Object) -> int:
    text = annotations_of(pod).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0  # Kubernetes, too, takes a malformed cost for none


def same_template(a: Object, b: Object) -> bool:
    """Return whether two pod templates make the same pods, pod-template-hash left aside."""
    return bool(_comparable_template(a) == _comparable_template(b))


def _comparable_template(template: Object) -> Any:
    result = deepcopy(template)
    meta = result.setdefault("metadata", {})
    labels = meta.get("labels") or {}
    meta["labels"] = {k: v for k, v in labels.items() if k != POD_TEMPLATE_HASH}
    meta.pop("creationTimestamp", None)
    return _without_nothing(result)


_MAPS = frozenset({"metadata", "labels", "annotations", "nodeSelector", "limits", "requests"})


def _without_nothing(value: Any) -> Any:
    """Return `value` less what says nothing: nulls, empty lists, empty maps.

    An empty object such as `emptyDir: {}` says something and stays (apiequality.Semantic).
    """
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    if not isinstance(value, dict):
        return value
    full = {key: _without_nothing(item) for key, item in value.items()}
    return {k: v for k, v in full.items() if v is not None and v != [] and (v or k not in _MAPS)}


def pod_template_hash(template: Object, collisions: int = 0) -> str:
    """Return the template's hash, fit for a label and a name: FNV-32a in a safe alphabet.

    `collisions` (status.collisionCount) makes another hash of the same template after two
    different templates met in one name. Kubernetes hashes a Go printout, so the letters differ
    from a real cluster's; that they stay the same for the same template is all that counts.
    """
    text = json.dumps(_comparable_template(template), sort_keys=True, separators=(",", ":"))
    number = _fnv_32a(text.encode() + (str(collisions).encode() if collisions else b""))
    return "".join(_SAFE_ALPHABET[ord(c) % len(_SAFE_ALPHABET)] for c in str(number))


def _fnv_32a(data: bytes) -> int:
    """Return the 32-bit FNV-1a hash (offset basis and prime from the FNV reference)."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def pod_from_template(template: Object, name_prefix: str, owner: Object) -> Object:
    """Return a pod to create: the template's labels, annotations and spec, named by the server.

    `owner` is the controller's owner reference (`meta.owner_reference`).
    """
    template_meta = template.get("metadata") or {}
    meta: Object = {"generateName": name_prefix, "ownerReferences": [dict(owner)]}
    for field in ("labels", "annotations", "finalizers"):
        if template_meta.get(field):
            meta[field] = deepcopy(template_meta[field])
    spec = deepcopy(template["spec"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
