"""The objects that every new cluster has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.kube.addresses import API_ADDRESS
from podready.kube.gvk import NAMESPACE, SERVICE, Resource

if TYPE_CHECKING:
    from podready.kube.meta import Object

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_KUBERNETES_LABELS = {"component": "apiserver", "provider": "kubernetes"}


def first_objects() -> list[tuple[Resource, str | None, Object]]:
    """Return the namespaces and the Service `default/kubernetes` of a new cluster."""
    namespaces: list[tuple[Resource, str | None, Object]] = [
        (NAMESPACE, None, {"metadata": {"name": name}}) for name in _NAMESPACES
    ]
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}
    service = {
        "metadata": {"name": "kubernetes", "labels": dict(_KUBERNETES_LABELS)},
        "spec": {"clusterIP": API_ADDRESS, "ports": [port]},
    }
    return [*namespaces, (SERVICE, "default", service)]
