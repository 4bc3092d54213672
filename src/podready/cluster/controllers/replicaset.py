"""The ReplicaSet controller: as many pods as the spec says, replaced the moment one is deleted.

After kubernetes/pkg/controller/replicaset/replica_set.go.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from podready.cluster.reconcile.claim import Claim
from podready.cluster.reconcile.expectations import Expectations
from podready.cluster.reconcile.loop import DONE, Controller, Result
from podready.kube.gvk import POD, REPLICA_SET
from podready.kube.labels import from_label_selector
from podready.kube.meta import (
    Object,
    controller_of,
    copy_of,
    get_condition,
    is_controlled_by,
    is_deleting,
    key,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    remove_condition,
    set_condition,
    split_key,
    uid_of,
)
from podready.kube.status import ApiError, NotFound
from podready.kube.workloads import (
    deletion_order,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    pod_from_template,
    seconds_to_available,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from podready.cluster.reconcile.context import ControllerContext, ObjectChange

BURST = 500
"""Most pods created or deleted in one sync (BurstReplicas)."""


def build(context: ControllerContext) -> Controller[str]:
    """Return the ReplicaSet controller."""
    reconciler = ReplicaSetReconciler(context)
    sources = (
        context.watch(REPLICA_SET, lambda change: [key_of(change.latest)]),
        context.watch(POD, reconciler.pod_changed),
    )
    return context.controller("replicaset", reconciler.reconcile, sources, workers=2)


class ReplicaSetReconciler:
    """Keeps the pods of each ReplicaSet at its replicas, and its status true."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder("replicaset-controller")
        self._expectations = Expectations(context.clock)

    # -- what wakes it ----------------------------------------------------------------------

    def pod_changed(self, change: ObjectChange) -> list[str]:
        """Note what was expected of this pod, and name the ReplicaSets that have to look."""
        pod, owners = change.latest, self._owner_keys(change)
        for owner in owners:
            if change.old is None:
                self._expectations.creation_observed(owner)
            if change.new is None or is_deleting(pod):
                self._expectations.deletion_observed(owner, uid_of(pod))
        if controller_of(pod) is None and change.new is not None:
            owners = [*owners, *self._possible_owners(pod)]
        return owners

    def _owner_keys(self, change: ObjectChange) -> list[str]:
        """Return the keys of the pod's ReplicaSet, and of the one it had before."""
        references = [controller_of(pod) for pod in (change.old, change.new) if pod]
        namespace = namespace_of(change.latest)
        names = [r["name"] for r in references if r and r.get("kind") == REPLICA_SET.kind]
        return [key(namespace, name) for name in dict.fromkeys(names)]

    def _possible_owners(self, orphan: Object) -> list[str]:
        """Return the ReplicaSets that would adopt this pod."""
        sets = self._context.objects(REPLICA_SET, namespace_of(orphan))
        labels = labels_of(orphan)
        return [
            key_of(rs)
            for rs in sets
            if from_label_selector(rs["spec"].get("selector")).matches(labels)
        ]

    # -- what it does -----------------------------------------------------------------------

    async def reconcile(self, rs_key: str) -> Result:
        """Create or delete pods until there are as many as wanted, then write the status."""
        cached = self._context.get(REPLICA_SET, *split_key(rs_key))
        if cached is None:
            self._expectations.forget(rs_key)
            return DONE
        rs = copy_of(cached)
        in_step = self._expectations.satisfied(rs_key)
        pods = await self._claim_pods(rs)
        active = [pod for pod in pods if is_active(pod)]
        failure: Exception | None = None
        if in_step and not is_deleting(rs) and not self._context.is_ending(namespace_of(rs)):
            failure = await self._manage(rs, active)
        await self._update_status(rs, pods, failure, counted=len(active))
        if failure is not None:
            raise failure
        return Result(self._look_again(rs, active))

    async def _claim_pods(self, rs: Object) -> list[Object]:
        selector = from_label_selector(rs["spec"].get("selector"))
        claim = Claim(self._client, rs, REPLICA_SET, POD, selector)
        pods = self._context.objects(POD, namespace_of(rs))
        return await claim.claim(pod for pod in pods if not is_terminal(pod))

    async def _manage(self, rs: Object, active: Sequence[Object]) -> Exception | None:
        missing = wanted_replicas(rs) - len(active)
        if missing > 0:
            return await self._create_pods(rs, min(missing, BURST))
        if missing < 0:
            return await self._delete_pods(rs, active, min(-missing, BURST))
        return None

    async def _create_pods(self, rs: Object, count: int) -> Exception | None:
        owner = key_of(rs)
        self._expectations.expect_creations(owner, count)
        created, failure = await slow_start(count, lambda: self._create_pod(rs))
        self._expectations.creation_observed(owner, count - created)
        return failure

    async def _create_pod(self, rs: Object) -> None:
        reference = owner_reference(rs, REPLICA_SET)
        pod = pod_from_template(rs["spec"]["template"], f"{name_of(rs)}-", reference)
        try:
            created = await self._client.create(POD, namespace_of(rs), pod)
        except ApiError as error:
            await self._recorder.event(rs, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        await self._recorder.event(
            rs, "Normal", "SuccessfulCreate", f"Created pod: {name_of(created)}"
        )

    async def _delete_pods(
        self, rs: Object, active: Sequence[Object], count: int
    ) -> Exception | None:
        now = self._context.clock.now()
        doomed = deletion_order(active, self._related_pods(rs), now)[:count]
        self._expectations.expect_deletions(key_of(rs), [uid_of(pod) for pod in doomed])
        results = await asyncio.gather(*(self._delete_pod(rs, pod) for pod in doomed))
        return next((failure for failure in results if failure), None)

    async def _delete_pod(self, rs: Object, pod: Object) -> Exception | None:
        try:
            await self._client.delete(POD, namespace_of(pod), name_of(pod), uid=uid_of(pod))
        except ApiError as error:
            self._expectations.deletion_observed(key_of(rs), uid_of(pod))
            if isinstance(error, NotFound):
                return None
            await self._recorder.event(rs, "Warning", "FailedDelete", f"Error deleting: {error}")
            return error
        await self._recorder.event(rs, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
        return None

    def _related_pods(self, rs: Object) -> list[Object]:
        """Return the pods of all ReplicaSets of the same Deployment, this one's among them."""
        owner = controller_of(rs)
        sets = self._context.objects(REPLICA_SET, namespace_of(rs))
        siblings = {
            uid_of(other)
            for other in sets
            if owner and (controller_of(other) or {}).get("uid") == owner["uid"]
        } | {uid_of(rs)}
        pods = self._context.objects(POD, namespace_of(rs))
        return [pod for pod in pods if (controller_of(pod) or {}).get("uid") in siblings]

    async def _update_status(
        self, rs: Object, pods: Iterable[Object], failure: Exception | None, *, counted: int
    ) -> None:
        now = self._context.clock.now()
        status = next_status(rs, pods, now)
        conditions = status["conditions"]
        if failure is None:
            remove_condition(conditions, "ReplicaFailure")
        elif get_condition(rs, "ReplicaFailure") is None:
            reason = "FailedCreate" if wanted_replicas(rs) > counted else "FailedDelete"
            condition = {"type": "ReplicaFailure", "status": "True", "reason": reason}
            set_condition(conditions, condition | {"message": str(failure)}, now)
        if not conditions:
            del status["conditions"]
        if status != rs.get("status"):
            rs["status"] = status
            await self._client.update(REPLICA_SET, namespace_of(rs), rs, subresource="status")

    def _look_again(self, rs: Object, active: Iterable[Object]) -> float | None:
        """Return when the next pod becomes available by time alone, or an expectation ends."""
        now, min_ready = self._context.clock.now(), rs["spec"].get("minReadySeconds", 0)
        waits = [seconds_to_available(pod, min_ready, now) for pod in active]
        waits.append(self._expectations.seconds_left(key_of(rs)))
        return min((wait for wait in waits if wait), default=None)


def wanted_replicas(rs: Object) -> int:
    """Return spec.replicas; Kubernetes' default is 1."""
    replicas: int = rs["spec"].get("replicas", 1)
    return replicas


def next_status(rs: Object, pods: Iterable[Object], now: datetime) -> Object:
    """Return the status that `pods` give: terminating ones are counted apart."""
    mine = [pod for pod in pods if is_controlled_by(pod, rs)]
    active = [pod for pod in mine if is_active(pod)]
    template_labels = (rs["spec"]["template"].get("metadata") or {}).get("labels") or {}
    min_ready = rs["spec"].get("minReadySeconds", 0)
    return {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(
            template_labels.items() <= labels_of(p).items() for p in active
        ),
        "readyReplicas": sum(map(is_ready, active)),
        "availableReplicas": sum(is_available(pod, min_ready, now) for pod in active),
        "terminatingReplicas": sum(map(is_deleting, mine)),
        "observedGeneration": rs["metadata"].get("generation", 0),
        "conditions": copy_of({"c": (rs.get("status") or {}).get("conditions") or []})["c"],
    }


async def slow_start(
    count: int, create: Callable[[], Awaitable[None]]
) -> tuple[int, Exception | None]:
    """Create in batches of 1, 2, 4, 8 … and stop after a batch that failed.

    Returns how many were created and the first failure: what fails once (a quota, a broken
    template) would fail a hundred times.
    """
    created, batch = 0, 1
    while created < count:
        size = min(batch, count - created)
        results = await asyncio.gather(*(create() for _ in range(size)), return_exceptions=True)
        failures = [result for result in results if isinstance(result, Exception)]
        created += size - len(failures)
        if failures:
            return created, failures[0]
        batch *= 2
    return created, None
