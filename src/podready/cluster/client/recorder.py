"""Events: what controllers and kubelets report about objects, counted where they repeat."""

from __future__ import annotations

import logging
from typing import Any

from podready.clock import SYSTEM_CLOCK, Clock
from podready.cluster.client.protocol import Client, PatchType
from podready.kube.gvk import EVENT
from podready.kube.meta import Object, name_of, namespace_of, object_reference, uid_of
from podready.kube.status import ApiError, NotFound
from podready.kube.times import rfc3339

_LOG = logging.getLogger(__name__)
_REMEMBERED = 4096
"""Distinct events whose counts are kept (client-go's EventCorrelator default)."""

_Sameness = tuple[str, str, str, str, str]


class Recorder:
    """Writes Events for one component (`kubelet`, `deployment-controller`, …).

    An event that cannot be written is logged and dropped: it must never stop the work.
    """

    def __init__(
        self, client: Client, component: str, *, host: str = "", clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._client = client
        self._source = {"component": component} | ({"host": host} if host else {})
        self._clock = clock
        self._known: dict[_Sameness, tuple[str, int]] = {}
        self._serial = clock.monotonic()

    async def event(
        self, obj: Object, type_: str, reason: str, message: str, *, field_path: str = ""
    ) -> None:
        """Tell something about `obj`; `type_` is Normal or Warning.

        The same (object, field path, type, reason, message) again only counts up.
        """
        same = (uid_of(obj), field_path, type_, reason, message)
        try:
            if same in self._known:
                await self._count_up(obj, same)
            else:
                await self._create(obj, same)
        except ApiError as problem:
            _LOG.warning("event %s of %s was not recorded: %s", reason, name_of(obj), problem)

    async def _count_up(self, obj: Object, same: _Sameness) -> None:
        name, count = self._known[same]
        patch = {"count": count + 1, "lastTimestamp": rfc3339(self._clock.now())}
        try:
            await self._client.patch(
                EVENT, _namespace(obj), name, patch, patch_type=PatchType.MERGE
            )
            self._known[same] = (name, count + 1)
        except NotFound:
            await self._create(obj, same)

    async def _create(self, obj: Object, same: _Sameness) -> None:
        _, field_path, type_, reason, message = same
        now = rfc3339(self._clock.now())
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self._new_name(obj), "namespace": _namespace(obj)},
            "involvedObject": object_reference(obj, field_path),
            "type": type_,
            "reason": reason,
            "message": message,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        # Known before it is sent, so that two tellers of one fact do not both create it.
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        created = await self._client.create(EVENT, _namespace(obj), event)
        self._known[same] = (name_of(created), 1)

    def _new_name(self, obj: Object) -> str:
        """Return `<object>.<hex>`, as client-go names events; the number only ever grows."""
        self._serial = max(self._clock.monotonic(), self._serial + 1e-6)
        return f"{name_of(obj)}.{int(self._serial * 1e6):016x}"


def _namespace(obj: Object) -> str:
    """Events about cluster-wide objects live in `default`."""
    return namespace_of(obj) or "default"
