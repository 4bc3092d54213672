"""The EndpointSlice controller: what each Service leads to, moment by moment.

After kubernetes/pkg/controller/endpointslice. Its delay behind a pod's deletion is half of the
race that loses requests; the proxies' delay is the other half.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from podready.cluster.reconcile.loop import DONE, Controller, Result
from podready.kube.gvk import ENDPOINT_SLICE, POD, SERVICE
from podready.kube.labels import from_map
from podready.kube.meta import (
    Object,
    is_deleting,
    key,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    split_key,
    uid_of,
)
from podready.kube.networking import (
    CONTROLLER,
    MANAGED_BY,
    SERVICE_NAME,
    endpoint_of,
    is_endpoint,
    is_selecting,
    plan_slices,
)
from podready.kube.status import ApiError, NotFound

if TYPE_CHECKING:
    from podready.cluster.reconcile.context import ControllerContext, ObjectChange


def build(context: ControllerContext) -> Controller[str]:
    """Return the EndpointSlice controller."""
    reconciler = EndpointSliceReconciler(context)
    sources = (
        context.watch(SERVICE, lambda change: [key_of(change.latest)]),
        context.watch(POD, reconciler.pod_changed),
        context.watch(ENDPOINT_SLICE, reconciler.slice_changed),
    )
    return context.controller("endpointslice", reconciler.reconcile, sources, workers=2)


class EndpointSliceReconciler:
    """Keeps the slices of each Service equal to its pods."""

    def __init__(self, context: ControllerContext) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder("endpoint-slice-controller")

    def pod_changed(self, change: ObjectChange) -> list[str]:
        """Name the Services that the pod is, or was, an endpoint of, if that may have changed."""
        if change.old and change.new and _same_endpoint(change.old, change.new):
            return []
        states = [labels_of(pod) for pod in (change.old, change.new) if pod]
        services = self._context.objects(SERVICE, namespace_of(change.latest))
        return [
            key_of(service)
            for service in services
            if any(from_map(service["spec"].get("selector")).matches(labels) for labels in states)
        ]

    def slice_changed(self, change: ObjectChange) -> list[str]:
        """Name the Service of a slice: another client may have deleted or changed it."""
        labels = labels_of(change.latest)
        if labels.get(MANAGED_BY) != CONTROLLER or SERVICE_NAME not in labels:
            return []
        return [key(namespace_of(change.latest), labels[SERVICE_NAME])]

    async def reconcile(self, service_key: str) -> Result:
        """Write the difference between the slices that are and those that should be."""
        namespace, name = split_key(service_key)
        service = self._context.get(SERVICE, namespace, name)
        if service is None or is_deleting(service) or not is_selecting(service):
            return DONE  # the garbage collector removes the slices of a Service that is gone
        if self._context.is_ending(namespace):
            return DONE
        selector = from_map(service["spec"]["selector"])
        pods = [p for p in self._context.objects(POD, namespace) if selector.matches(labels_of(p))]
        plan = plan_slices(service, pods, await self._slices(service))
        try:
            await asyncio.gather(
                *(self._client.create(ENDPOINT_SLICE, namespace, s) for s in plan.create),
                *(self._client.update(ENDPOINT_SLICE, namespace, s) for s in plan.update),
                *(self._delete(s) for s in plan.delete),
            )
        except ApiError as error:
            text = f"Error updating Endpoint Slices for Service {service_key}: {error}"
            await self._recorder.event(service, "Warning", "FailedToUpdateEndpointSlices", text)
            raise
        return DONE

    async def _slices(self, service: Object) -> list[Object]:
        """Ask the API, not the cache: a slice made a moment ago must not be made twice."""
        selector = f"{SERVICE_NAME}={name_of(service)},{MANAGED_BY}={CONTROLLER}"
        namespace = namespace_of(service)
        listed = await self._client.list(ENDPOINT_SLICE, namespace, label_selector=selector)
        return [slice_ for slice_ in listed.items if not is_deleting(slice_)]

    async def _delete(self, slice_: Object) -> None:
        namespace, name = namespace_of(slice_), name_of(slice_)
        try:
            await self._client.delete(ENDPOINT_SLICE, namespace, name, uid=uid_of(slice_))
        except NotFound:
            pass  # gone is what we want


def _same_endpoint(old: Object, new: Object) -> bool:
    """Whether nothing that a slice shows changed between two states of a pod."""
    if labels_of(old) != labels_of(new) or is_endpoint(old) != is_endpoint(new):
        return False
    any_service: Object = {"spec": {}}
    return not is_endpoint(new) or endpoint_of(any_service, old) == endpoint_of(any_service, new)
