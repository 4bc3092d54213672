"""Writes a Deployment's ReplicaSets: makes the new one, sizes them, clears old ones away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.cluster.controllers.deployment.progress import (
    conditions_in,
    has_deadline,
    put_condition,
)
from podready.cluster.controllers.deployment.revisions import (
    REVISION,
    Rollout,
    count_of,
    new_annotations,
    new_replica_set,
    next_revision,
    revision_of,
    size_annotations,
)
from podready.kube.gvk import DEPLOYMENT, REPLICA_SET
from podready.kube.meta import (
    Object,
    annotations_of,
    copy_of,
    get_condition,
    is_controlled_by,
    is_deleting,
    name_of,
    namespace_of,
    uid_of,
)
from podready.kube.rollout import ReplicaCount, bounds_of, size_of_new
from podready.kube.status import AlreadyExists, ApiError, Conflict, NotFound
from podready.kube.workloads import same_template

if TYPE_CHECKING:
    from podready.cluster.client.recorder import Recorder
    from podready.cluster.reconcile.context import ControllerContext

KEPT_REVISIONS = 10
"""Kubernetes' default of spec.revisionHistoryLimit."""


class ReplicaSets:
    """The writes that a rollout needs; each keeps its `Rollout` up to date."""

    def __init__(self, context: ControllerContext, recorder: Recorder) -> None:
        self._context = context
        self._client = context.client
        self._recorder = recorder

    # -- the new one ------------------------------------------------------------------------

    async def ensure_new(self, rollout: Rollout, *, create: bool) -> None:
        """Number the new ReplicaSet, after making it where it is missing and `create` says so."""
        revision = next_revision(rollout.old)
        if rollout.new is not None:
            await self._renumber(rollout, rollout.new, revision)
        elif create:
            await self._create(rollout, revision)
        if rollout.new is not None:
            await self._copy_revision(rollout, rollout.new)

    async def _renumber(self, rollout: Rollout, new: Object, revision: int) -> None:
        spec = rollout.deployment["spec"]
        annotations = new_annotations(rollout.deployment, new, revision)
        min_ready = spec.get("minReadySeconds", 0)
        if annotations != annotations_of(new) or new["spec"].get("minReadySeconds", 0) != min_ready:
            changed = copy_of(new)
            changed["metadata"]["annotations"] = annotations
            changed["spec"]["minReadySeconds"] = min_ready
            rollout.put(await self._client.update(REPLICA_SET, namespace_of(new), changed))
        if get_condition(rollout.deployment, "Progressing") is None:
            self._note(rollout, "FoundNewReplicaSet", f'Found new replica set "{name_of(new)}"')

    async def _create(self, rollout: Rollout, revision: int) -> None:
        deployment = rollout.deployment
        bounds = bounds_of(deployment["spec"])
        size = size_of_new(bounds, ReplicaCount("", 0), [count_of(rs) for rs in rollout.old])
        annotations = new_annotations(deployment, None, revision) | size_annotations(bounds)
        wanted = new_replica_set(deployment, size, annotations)
        try:
            rollout.new = await self._client.create(REPLICA_SET, namespace_of(deployment), wanted)
        except AlreadyExists:
            rollout.new = await self._settle_collision(deployment, wanted)
            return
        except ApiError as error:
            await self._tell_failure(rollout, name_of(wanted), error)
            raise
        name = name_of(wanted)
        if size > 0:
            await self._event(deployment, f"Scaled up replica set {name} from 0 to {size}")
        self._note(rollout, "NewReplicaSetCreated", f'Created new replica set "{name}"')

    async def _settle_collision(self, deployment: Object, wanted: Object) -> Object:
        """Return our own ReplicaSet that the cache did not show yet; else count a collision.

        Two templates with one hash: a higher collisionCount gives the newer one another name.
        """
        found = await self._client.get(REPLICA_SET, namespace_of(deployment), name_of(wanted))
        template = deployment["spec"]["template"]
        if is_controlled_by(found, deployment) and same_template(
            found["spec"]["template"], template
        ):
            return found
        status = deployment.get("status") or {}
        deployment["status"] = status | {"collisionCount": status.get("collisionCount", 0) + 1}
        await self._client.update(
            DEPLOYMENT, namespace_of(deployment), deployment, subresource="status"
        )
        raise Conflict.of(REPLICA_SET, name_of(wanted), "its name is taken by another template")

    async def _tell_failure(self, rollout: Rollout, name: str, error: ApiError) -> None:
        deployment = rollout.deployment
        text = f'Failed to create new replica set "{name}": {error}'
        status = deployment.setdefault("status", {})
        now = self._context.clock.now()
        if has_deadline(deployment):
            conditions = conditions_in(status)
            reason = "ReplicaSetCreateError"
            put_condition(conditions, "Progressing", "False", reason, text, now)
        await self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", text)
        await self._client.update(
            DEPLOYMENT, namespace_of(deployment), deployment, subresource="status"
        )

    async def _copy_revision(self, rollout: Rollout, new: Object) -> None:
        """Let the Deployment say which revision it is at, as `kubectl rollout` reads it there."""
        deployment, revision = rollout.deployment, str(revision_of(new))
        if annotations_of(deployment).get(REVISION) == revision:
            return
        patched = await self._client.patch(
            DEPLOYMENT,
            namespace_of(deployment),
            name_of(deployment),
            {"metadata": {"annotations": {REVISION: revision}, "uid": uid_of(deployment)}},
        )
        # The generation stays the one whose spec we read: status must not claim a newer one.
        generation = deployment["metadata"].get("generation", 0)
        deployment["metadata"] = {**patched["metadata"], "generation": generation}

    def _note(self, rollout: Rollout, reason: str, message: str) -> None:
        """Say in Progressing that the rollout has begun."""
        if has_deadline(rollout.deployment):
            conditions = conditions_in(rollout.deployment.setdefault("status", {}))
            now = self._context.clock.now()
            put_condition(conditions, "Progressing", "True", reason, message, now)

    # -- sizes ------------------------------------------------------------------------------

    async def resize(self, rollout: Rollout, sizes: dict[str, int]) -> None:
        """Give the named ReplicaSets new sizes, and say so."""
        for rs in rollout.sets:
            if name_of(rs) in sizes:
                await self._resize_one(rollout, rs, sizes[name_of(rs)])

    async def _resize_one(self, rollout: Rollout, rs: Object, size: int) -> None:
        before = rs["spec"].get("replicas", 1)
        annotations = annotations_of(rs) | size_annotations(bounds_of(rollout.deployment["spec"]))
        if before == size and annotations == annotations_of(rs):
            return
        changed = copy_of(rs)
        changed["spec"]["replicas"] = size
        changed["metadata"]["annotations"] = annotations
        rollout.put(await self._client.update(REPLICA_SET, namespace_of(rs), changed))
        if before != size:
            way = "up" if size > before else "down"
            text = f"Scaled {way} replica set {name_of(rs)} from {before} to {size}"
            await self._event(rollout.deployment, text)

    async def _event(self, deployment: Object, message: str) -> None:
        await self._recorder.event(deployment, "Normal", "ScalingReplicaSet", message)

    # -- the past ---------------------------------------------------------------------------

    async def clean_up(self, rollout: Rollout) -> None:
        """Delete the oldest revisions beyond revisionHistoryLimit; one with pods stays."""
        limit = rollout.deployment["spec"].get("revisionHistoryLimit", KEPT_REVISIONS)
        alive = sorted((rs for rs in rollout.old if not is_deleting(rs)), key=revision_of)
        for rs in alive[: max(0, len(alive) - limit)]:
            if _is_empty(rs):
                await self._delete(rs)

    async def _delete(self, rs: Object) -> None:
        try:
            name = name_of(rs)
            await self._client.delete(REPLICA_SET, namespace_of(rs), name, uid=uid_of(rs))
        except NotFound:
            pass  # deleted already; the cache does not show it yet


def _is_empty(rs: Object) -> bool:
    status = rs.get("status") or {}
    observed = status.get("observedGeneration", 0) >= rs["metadata"].get("generation", 0)
    return observed and not status.get("replicas") and not rs["spec"].get("replicas", 1)
