"""Decides what a Deployment needs now: a rollout step, a scaling, or only a true status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.controllers.deployment.progress import (
    is_rolled_out,
    next_check,
    next_status,
    note_failures,
    note_pause,
    note_progress,
)
from podready.cluster.controllers.deployment.replica_sets import ReplicaSets
from podready.cluster.controllers.deployment.revisions import (
    DESIRED_REPLICAS,
    Rollout,
    count_of,
)
from podready.cluster.reconcile.claim import Claim
from podready.cluster.reconcile.loop import DONE, Controller, Result
from podready.kube.gvk import DEPLOYMENT, POD, REPLICA_SET
from podready.kube.labels import Selector, from_label_selector
from podready.kube.meta import (
    Object,
    annotations_of,
    controller_of,
    copy_of,
    is_controlled_by,
    is_deleting,
    key,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    split_key,
)
from podready.kube.rollout import bounds_of, proportional_sizes, rolling_step
from podready.kube.workloads import is_terminal

if TYPE_CHECKING:
    from datetime import datetime

    from podready.cluster.reconcile.context import ControllerContext, ObjectChange


def build(context: ControllerContext) -> Controller[str]:
    """Return the Deployment controller."""
    reconciler = DeploymentReconciler(context)
    sources = (
        context.watch(DEPLOYMENT, lambda change: [key_of(change.latest)]),
        context.watch(REPLICA_SET, reconciler.replica_set_changed),
        context.watch(POD, reconciler.pod_changed),
    )
    return context.controller("deployment", reconciler.reconcile, sources, workers=2)


class DeploymentReconciler:
    """Brings each Deployment one step nearer to its spec."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._client = context.client
        self._sets = ReplicaSets(context, context.recorder("deployment-controller"))

    # -- what wakes it ----------------------------------------------------------------------

    def replica_set_changed(self, change: ObjectChange) -> list[str]:
        """Name the Deployment of this ReplicaSet, or those that would adopt it."""
        namespace = namespace_of(change.latest)
        references = [controller_of(rs) for rs in (change.old, change.new) if rs]
        names = {r["name"] for r in references if r and r.get("kind") == DEPLOYMENT.kind}
        owners = [key(namespace, name) for name in sorted(names)]
        return owners or self._possible_owners(change.latest)

    def _possible_owners(self, orphan: Object) -> list[str]:
        deployments = self._context.objects(DEPLOYMENT, namespace_of(orphan))
        labels = labels_of(orphan)
        return [key_of(d) for d in deployments if _selector(d).matches(labels)]

    def pod_changed(self, change: ObjectChange) -> list[str]:
        """Name the Deployment whose last old pod may just have gone: Recreate waits for that."""
        if change.new is not None:
            return []
        namespace, owner = namespace_of(change.latest), controller_of(change.latest)
        rs = self._context.get(REPLICA_SET, namespace, owner["name"]) if owner else None
        reference = controller_of(rs) if rs else None
        return [key(namespace, reference["name"])] if reference else []

    # -- what it does -----------------------------------------------------------------------

    async def reconcile(self, deployment_key: str) -> Result:
        """Do the next step of one Deployment."""
        cached = self._context.get(DEPLOYMENT, *split_key(deployment_key))
        if cached is None:
            return DONE
        deployment = copy_of(cached)
        rollout = Rollout.of(deployment, await self._claim_sets(deployment))
        if is_deleting(deployment) or self._context.is_ending(namespace_of(deployment)):
            await self._write_status(rollout, next_status(rollout, self._now()))
            return DONE
        note_pause(deployment, self._now())
        if deployment["spec"].get("paused") or _was_scaled(rollout):
            return await self._scale(rollout)
        strategy = (deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate")
        if strategy == "Recreate":
            return await self._recreate(rollout)
        return await self._roll(rollout)

    def _now(self) -> datetime:
        return self._context.clock.now()

    async def _claim_sets(self, deployment: Object) -> list[Object]:
        selector = _selector(deployment)
        claim = Claim(self._client, deployment, DEPLOYMENT, REPLICA_SET, selector)
        return await claim.claim(self._context.objects(REPLICA_SET, namespace_of(deployment)))

    async def _roll(self, rollout: Rollout) -> Result:
        """Grow the new ReplicaSet or shrink old ones; clean up when there is nothing more to do."""
        await self._sets.ensure_new(rollout, create=True)
        assert rollout.new is not None
        bounds = bounds_of(rollout.deployment["spec"])
        old = [count_of(rs) for rs in rollout.old]
        sizes = rolling_step(bounds, count_of(rollout.new), old)
        await self._sets.resize(rollout, sizes)
        if not sizes and is_rolled_out(rollout.deployment):
            await self._sets.clean_up(rollout)
        return await self._finish(rollout)

    async def _recreate(self, rollout: Rollout) -> Result:
        """Empty the old ReplicaSets, wait until their last pod is gone, then fill the new one."""
        await self._sets.ensure_new(rollout, create=False)
        emptied = {name_of(rs): 0 for rs in rollout.old if rs["spec"].get("replicas", 1) > 0}
        await self._sets.resize(rollout, emptied)
        if emptied or self._has_old_pods(rollout):
            return await self._finish(rollout)
        await self._sets.ensure_new(rollout, create=True)
        assert rollout.new is not None
        wanted = rollout.deployment["spec"].get("replicas", 1)
        if rollout.new["spec"].get("replicas", 1) != wanted:
            await self._sets.resize(rollout, {name_of(rollout.new): wanted})
        elif is_rolled_out(rollout.deployment):
            await self._sets.clean_up(rollout)
        return await self._finish(rollout)

    def _has_old_pods(self, rollout: Rollout) -> bool:
        """Whether any pod of an old ReplicaSet is still there, terminating ones included."""
        if any((rs.get("status") or {}).get("replicas", 0) for rs in rollout.old):
            return True
        pods = self._context.objects(POD, namespace_of(rollout.deployment))
        living = [pod for pod in pods if not is_terminal(pod)]
        return any(is_controlled_by(pod, rs) for rs in rollout.old for pod in living)

    async def _scale(self, rollout: Rollout) -> Result:
        """Follow a change of spec.replicas without going on with the rollout."""
        await self._sets.ensure_new(rollout, create=False)
        await self._sets.resize(rollout, _scaled_sizes(rollout))
        if rollout.deployment["spec"].get("paused"):
            await self._sets.clean_up(rollout)
        await self._write_status(rollout, next_status(rollout, self._now()))
        return DONE

    async def _finish(self, rollout: Rollout) -> Result:
        """Write the status with its progress, and look again when the deadline may have passed."""
        now = self._now()
        status = next_status(rollout, now)
        note_progress(status, rollout, now)
        note_failures(status, rollout)
        await self._write_status(rollout, status)
        return Result(next_check(rollout.deployment, status, now))

    async def _write_status(self, rollout: Rollout, status: Object) -> None:
        deployment = rollout.deployment
        cached = self._context.get(DEPLOYMENT, namespace_of(deployment), name_of(deployment))
        if cached is not None and cached.get("status") == status:
            return
        changed = {**deployment, "status": status}
        await self._client.update(
            DEPLOYMENT, namespace_of(deployment), changed, subresource="status"
        )


def _selector(deployment: Object) -> Selector:
    return from_label_selector(deployment["spec"].get("selector"))


def _was_scaled(rollout: Rollout) -> bool:
    """Whether spec.replicas changed since some active ReplicaSet got its size (isScalingEvent)."""
    desired = str(rollout.deployment["spec"].get("replicas", 1))
    remembered = (annotations_of(rs).get(DESIRED_REPLICAS) for rs in rollout.active)
    return any(annotation not in (None, desired) for annotation in remembered)


def _scaled_sizes(rollout: Rollout) -> dict[str, int]:
    """Return the sizes after a scaling: all to the only active one, or to each its share."""
    spec = rollout.deployment["spec"]
    wanted, bounds = spec.get("replicas", 1), bounds_of(spec)
    active = rollout.active
    if len(active) <= 1:
        only = (active or rollout.sets)[-1:]
        return {name_of(rs): wanted for rs in only}
    if _is_saturated(rollout, wanted):
        return {name_of(rs): 0 for rs in active if rs is not rollout.new}
    if (spec.get("strategy") or {}).get("type", "RollingUpdate") != "RollingUpdate":
        return {name_of(rs): rs["spec"].get("replicas", 1) for rs in active}
    return proportional_sizes(bounds, [count_of(rs) for rs in active])


def _is_saturated(rollout: Rollout, wanted: int) -> bool:
    """Whether the new ReplicaSet has all the pods it should, available: then the old may go."""
    new = rollout.new
    if new is None or annotations_of(new).get(DESIRED_REPLICAS) != str(wanted):
        return False
    return count_of(new).replicas == wanted == count_of(new).available
