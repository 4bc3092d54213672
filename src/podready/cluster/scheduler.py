"""The scheduler: binds each pending pod to the schedulable node that has the fewest pods.

After kube-scheduler, as much of it as one machine can show: unschedulable nodes, node selectors
and NoSchedule taints are kept; resources are not, as all virtual nodes share one machine.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from podready.cluster.reconcile.loop import DONE, Controller, Result
from podready.cluster.reconcile.workqueue import RetryBackoff
from podready.kube.gvk import NODE, POD
from podready.kube.meta import (
    Object,
    copy_of,
    dig,
    is_deleting,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    set_condition,
    split_key,
    uid_of,
)
from podready.kube.status import Conflict, NotFound
from podready.kube.workloads import is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.cluster.reconcile.context import ControllerContext, ObjectChange

SCHEDULER_NAME = "default-scheduler"

BACKOFF = RetryBackoff(base=1.0, cap=10.0)
"""podInitialBackoffSeconds and podMaxBackoffSeconds of kube-scheduler."""


def build(context: ControllerContext) -> Controller[str]:
    """Return the scheduler."""
    scheduler = Scheduler(context)
    sources = (
        context.watch(POD, lambda change: _if_unscheduled(change.new)),
        context.watch(NODE, scheduler.node_changed),
    )
    # One worker: two at a time would both see the same node as the emptiest.
    return context.controller("scheduler", scheduler.reconcile, sources, backoff=BACKOFF)


def _if_unscheduled(pod: Object | None) -> list[str]:
    return [key_of(pod)] if pod is not None and _is_unscheduled(pod) else []


def _is_unscheduled(pod: Object) -> bool:
    is_own: bool = pod["spec"].get("schedulerName", SCHEDULER_NAME) == SCHEDULER_NAME
    return is_own and not pod["spec"].get("nodeName") and not is_deleting(pod)


class Scheduler:
    """Chooses nodes by the caches, and keeps its choices until the caches show them."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder(SCHEDULER_NAME)
        self._assumed: dict[str, str] = {}

    def node_changed(self, _: ObjectChange) -> list[str]:
        """Name all pods that wait for a node: this one may do now."""
        return [key_of(pod) for pod in self._context.objects(POD) if _is_unscheduled(pod)]

    async def reconcile(self, pod_key: str) -> Result:
        """Bind the pod, or say why it cannot be."""
        pod = self._context.get(POD, *split_key(pod_key))
        if pod is None or not _is_unscheduled(pod) or uid_of(pod) in self._assumed:
            return DONE
        nodes = self._context.objects(NODE)
        problems = {name_of(node): _why_not(pod, node) for node in nodes}
        feasible = [node for node in nodes if not problems[name_of(node)]]
        if not feasible:
            await self._tell_unschedulable(pod, list(problems.values()))
            return DONE  # a change of a node or of the pod brings it back
        counts = self._pods_per_node()
        await self._bind(pod, min(map(name_of, feasible), key=lambda node: (counts[node], node)))
        return DONE

    def _pods_per_node(self) -> Counter[str]:
        """Count the pods of each node, those just bound included."""
        counts: Counter[str] = Counter()
        pods = self._context.objects(POD)
        for pod in pods:
            node = pod["spec"].get("nodeName")
            if node:
                self._assumed.pop(uid_of(pod), None)
            node = node or self._assumed.get(uid_of(pod))
            if node and not is_terminal(pod):
                counts[node] += 1
        self._assumed = {u: n for u, n in self._assumed.items() if u in set(map(uid_of, pods))}
        return counts

    async def _bind(self, pod: Object, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name_of(pod), "uid": uid_of(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._assumed[uid_of(pod)] = node
        try:
            await self._client.create(POD, namespace_of(pod), binding, subresource="binding")
        except (NotFound, Conflict):
            del self._assumed[uid_of(pod)]  # deleted or bound meanwhile: the watch will show it
            return
        text = f"Successfully assigned {key_of(pod)} to {node}"
        await self._recorder.event(pod, "Normal", "Scheduled", text)

    async def _tell_unschedulable(self, pod: Object, reasons: list[str]) -> None:
        text = _unschedulable_text(reasons)
        changed = copy_of(pod)
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": text,
        }
        conditions = changed["status"].setdefault("conditions", [])
        if set_condition(conditions, condition, self._context.clock.now()):
            await self._recorder.event(pod, "Warning", "FailedScheduling", text)
            await self._client.update(POD, namespace_of(pod), changed, subresource="status")


def _unschedulable_text(reasons: Iterable[str]) -> str:
    """Return Kubernetes' sentence: `0/2 nodes are available: 2 node(s) were unschedulable.`"""
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    total = sum(Counter(reasons).values())
    if not counted:
        return "no nodes available to schedule pods"
    return f"0/{total} nodes are available: {', '.join(counted)}."


def _why_not(pod: Object, node: Object) -> str:
    """Return why the pod cannot go to the node; the empty string when it can."""
    if node["spec"].get("unschedulable") and not _tolerates(pod, _UNSCHEDULABLE):
        return "node(s) were unschedulable"
    wanted = dig(pod, "spec", "nodeSelector", default={})
    if not wanted.items() <= labels_of(node).items():
        return "node(s) didn't match Pod's node affinity/selector"
    for taint in dig(node, "spec", "taints", default=[]):
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(pod, taint):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    return ""


_UNSCHEDULABLE: Object = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _tolerates(pod: Object, taint: Object) -> bool:
    return any(_matches(t, taint) for t in dig(pod, "spec", "tolerations", default=[]))


def _matches(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))
