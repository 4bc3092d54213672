"""Keeps a pod's status in the API what it is on this node: one writer a pod, newest wins."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from podready.cluster.client.protocol import PatchType
from podready.kube.gvk import POD
from podready.kube.status import ApiError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.cluster.kubelet.context import PodContext
    from podready.kube.meta import Object

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 0.2


def _as_patch(status: Object) -> Object:
    """Return the status as a strategic merge patch: a condition's old reason must not stay."""
    nothing = {"reason": None, "message": None}
    return status | {"conditions": [nothing | each for each in status["conditions"]]}


class StatusWriter:
    """Patches the pod's status after each `wake`, when `compute` gives something new."""

    def __init__(
        self,
        pod: PodContext,
        compute: Callable[[Object], Object],
        written: Callable[[], None],
    ) -> None:
        self._pod = pod
        self._compute = compute
        self._written = written
        self._dirty = asyncio.Event()
        self._last: Object = {}
        self._ready: bool | None = None
        self._gone = False

    def wake(self) -> None:
        """Something changed; write soon."""
        self._dirty.set()

    async def run(self) -> None:
        """Write after each change until cancelled."""
        while not self._gone:
            await self._dirty.wait()
            self._dirty.clear()
            if not await self.write():
                await asyncio.sleep(_RETRY_SECONDS)
                self._dirty.set()

    async def write(self) -> bool:
        """Write the present status if it is new; False when the API would not take it now."""
        status = self._compute(self._last)
        if status == self._last or self._gone:
            return True
        patch = {"metadata": {"uid": self._pod.uid}, "status": _as_patch(status)}
        client, pod = self._pod.node.client, self._pod
        try:
            await client.patch(
                POD,
                pod.namespace,
                pod.name,
                patch,
                patch_type=PatchType.STRATEGIC,
                subresource="status",
            )
        except NotFound:
            self._gone = True
            return True
        except ApiError as problem:
            _LOG.warning("status of pod %s was not written: %s", pod.key, problem)
            return False
        self._last = status
        self._note_ready(status)
        self._written()
        return True

    def _note_ready(self, status: Object) -> None:
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"])
        if ready != self._ready and (ready or self._ready is not None):
            self._pod.note("ready", value=ready)
        self._ready = ready
