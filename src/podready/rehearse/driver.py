"""Drives one Deployment through a Kubernetes API, as a person with kubectl would.

It knows a kubeconfig and nothing of the cluster behind it, so the same driver works on the
local cluster and on a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from lightkube.core.exceptions import ApiError

from podready.clock import SYSTEM_CLOCK, Clock
from podready.errors import AppError, ManifestError
from podready.kube.gvk import DEPLOYMENT, POD, REPLICA_SET, resource_of
from podready.kube.manifest import Manifest
from podready.kube.meta import dig, name_of
from podready.rehearse import startup
from podready.rehearse.api import KubernetesApi
from podready.rehearse.observer import ClusterObserver, is_rolled_out
from podready.rehearse.rollout import previous_revision, restart_patch, rollout_status, undo
from podready.rehearse.target import RehearsalTarget

Object = dict[str, Any]

LOG_LINES: Final = 20
"""How much of the app's own log is shown when it cannot start."""

SETTLE_SECONDS: Final = 3.0
"""How long a container may lack its ConfigMap or Secret before that counts as an error."""

ROLLOUT_SECONDS: Final = 240.0
"""Longest rollout that is waited for, unless the Deployment's progress deadline ends it sooner."""


class ScenarioError(Exception):
    """The cluster did not do what the scenario asked for."""


class Driver:
    """Acts on the cluster for a rehearsal; `log` gets one line of progress at a time."""

    def __init__(
        self,
        api: KubernetesApi,
        target: RehearsalTarget,
        observer: ClusterObserver,
        log: Callable[[str], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api, self.target, self.observer = api, target, observer
        self._log, self._clock = log, clock

    async def apply(self, manifests: Iterable[Manifest]) -> None:
        """Create or update every object; ManifestError where the server refuses one."""
        for manifest in manifests:
            resource = resource_of(manifest.object["apiVersion"], manifest.object["kind"])
            assert resource is not None  # the rest is left out by manifests.arrange
            what = f"{resource.kind} {name_of(manifest.object)}"
            try:
                await self._api.apply(resource, manifest.object)
            except ApiError as error:
                raise _refused(manifest, what, error) from error
            self._log(f"applied {what}")

    async def wait_until_available(self, timeout: float) -> None:
        """Return when all replicas are available; else AppError with the app's last lines."""
        observer = self.observer

        def decided() -> bool:
            done = is_rolled_out(observer.deployment)
            return done or startup.hopeless(observer.pods.values()) is not None

        if not await observer.until(decided, timeout):
            raise await self._never_ready(timeout)
        if is_rolled_out(observer.deployment):
            return
        if await observer.until(lambda: is_rolled_out(observer.deployment), SETTLE_SECONDS):
            return
        problem = startup.hopeless(observer.pods.values())
        if problem is not None:
            raise await self._app_error(problem.pod, problem.container, problem.message)
        await self.wait_until_available(timeout)

    async def restart(self) -> None:
        """Start a rolling update, as `kubectl rollout restart` does."""
        await self._patch_and_see(restart_patch(self._clock.now()))

    async def undo(self) -> None:
        """Go back to the previous revision, as `kubectl rollout undo` does."""
        deployment = await self._deployment()
        if dig(deployment, "spec", "paused"):
            raise ScenarioError("a paused Deployment cannot be rolled back; resume it first")
        old = previous_revision(deployment, await self._api.items(REPLICA_SET))
        if old is None:
            raise ScenarioError("there is no earlier revision to go back to")
        changed = await self._api.change(
            DEPLOYMENT, self.target.deployment, lambda current: undo(current, old)
        )
        await self._see_generation(changed)

    async def has_previous_revision(self) -> bool:
        """Return whether `undo` has anything to go back to."""
        sets = await self._api.items(REPLICA_SET)
        return previous_revision(await self._deployment(), sets) is not None

    async def delete_ready_pod(self) -> str:
        """Delete one ready pod and return its name."""
        ready = sorted(self.observer.ready_pods())
        if not ready:
            raise ScenarioError("there is no ready pod to delete")
        await self._api.delete(POD, ready[0])
        return ready[0]

    async def wait_for_rollout(self, timeout: float = ROLLOUT_SECONDS) -> None:
        """Return when the rollout is complete by the rule of `kubectl rollout status`."""
        observer = self.observer

        def decided() -> bool:
            deployment = observer.deployment
            if deployment is None:
                return True
            status = rollout_status(deployment)
            return status.done or status.failed

        await observer.until(decided, timeout)
        deployment = await self._deployment()
        status = rollout_status(observer.deployment or deployment)
        if not status.done:
            raise ScenarioError(await self._why_stuck(status.message))

    async def wait_until_replaced(self, timeout: float = ROLLOUT_SECONDS) -> None:
        """Return when as many pods are ready as the Deployment asks for.

        Its status may still say so from before: it follows its pods with a delay.
        """
        wanted = dig(await self._deployment(), "spec", "replicas", default=1)
        if not await self.observer.until(
            lambda: len(self.observer.ready_pods()) >= wanted, timeout
        ):
            raise ScenarioError(await self._why_stuck(f"{self.observer.summary()} of {wanted}"))
        await self.wait_for_rollout(timeout)

    async def wait_until_gone(self, pod: str, timeout: float = ROLLOUT_SECONDS) -> None:
        """Return when the pod's object is gone."""
        if not await self.observer.until(lambda: pod not in self.observer.pods, timeout):
            raise ScenarioError(f"pod {pod} was still there {timeout:g} s after its deletion")

    async def wait_until_quiet(self, timeout: float = ROLLOUT_SECONDS) -> None:
        """Return when no pod is on its way out any more."""
        if not await self.observer.until(lambda: not self.observer.terminating_pods(), timeout):
            names = ", ".join(sorted(self.observer.terminating_pods()))
            raise ScenarioError(f"{names} had not stopped after {timeout:g} s")

    async def _patch_and_see(self, patch: Object) -> None:
        await self._see_generation(await self._api.patch(DEPLOYMENT, self.target.deployment, patch))

    async def _see_generation(self, changed: Object) -> None:
        """Wait until the watch has caught up: the old status would say "complete"."""
        wanted = changed["metadata"].get("generation", 0)

        def caught_up() -> bool:
            seen = self.observer.deployment or {}
            return bool(dig(seen, "metadata", "generation", default=0) >= wanted)

        if not await self.observer.until(caught_up, ROLLOUT_SECONDS):
            raise ScenarioError("the API server does not send the changed Deployment")

    async def _deployment(self) -> Object:
        deployment = await self._api.get(DEPLOYMENT, self.target.deployment)
        if deployment is None:
            raise ScenarioError(f"Deployment {self.target.deployment} is gone")
        return deployment

    async def _why_stuck(self, message: str) -> str:
        problem = startup.hopeless(self.observer.pods.values())
        if problem is not None:
            return f"the rollout is stuck: {problem.message} (pod {problem.pod})"
        return f"the rollout did not finish: {message}"

    async def _never_ready(self, timeout: float) -> AppError:
        refused = startup.failed_create(self.observer.deployment)
        if refused:
            return AppError(f"Deployment {self.target.deployment} cannot create pods: {refused}")
        pods = list(self.observer.pods.values())
        waiting = next((p for p in pods if name_of(p) not in self.observer.ready_pods()), None)
        if waiting is None:
            return AppError(startup.never_ready(pods, (), timeout))
        events = await self._api.events_of("Pod", name_of(waiting))
        return await self._app_error(
            name_of(waiting), self.target.container, startup.never_ready([waiting], events, timeout)
        )

    async def _app_error(self, pod: str, container: str, message: str) -> AppError:
        log = await self._api.log(pod, container, LOG_LINES)
        return AppError(
            f"the app could not start: {message} (pod {pod})",
            log=tuple(line for line in log if line),
        )


def _refused(manifest: Manifest, what: str, error: ApiError) -> ManifestError:
    """Return the server's reason at the line of the first field that it names."""
    causes = (error.status.details.causes if error.status.details else None) or []
    field = next((cause.field for cause in causes if cause.field), "") or ""
    return manifest.error(f"{what} was refused: {error.status.message or error}", field)
