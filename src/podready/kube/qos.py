"""A pod's quality-of-service class (k8s.io/kubernetes pkg/apis/core/v1/helper/qos)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podready.kube.meta import Object

_COUNTED = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """Return Guaranteed, Burstable or BestEffort for a pod spec."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    wants = [_counted(container) for container in containers]
    if not any(requests or limits for requests, limits in wants):
        return "BestEffort"
    if all(limits.keys() == set(_COUNTED) and requests == limits for requests, limits in wants):
        return "Guaranteed"
    return "Burstable"


def _counted(container: Object) -> tuple[dict[str, str], dict[str, str]]:
    resources = container.get("resources") or {}
    requests, limits = (
        {name: value for name, value in (resources.get(part) or {}).items() if name in _COUNTED}
        for part in ("requests", "limits")
    )
    return requests, limits
