"""Which checks each kind gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.kube.gvk import (
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    Resource,
)
from podready.kube.validation.names import metadata_errors
from podready.kube.validation.pods import pod_spec_errors, pod_update_errors
from podready.kube.validation.services import (
    config_errors,
    config_update_errors,
    secret_update_errors,
    service_errors,
    service_update_errors,
)
from podready.kube.validation.workloads import (
    deployment_errors,
    replica_set_errors,
    workload_update_errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from podready.kube.meta import Object
    from podready.kube.validation.field_error import FieldError


def _pod_errors(pod: Object) -> Iterator[FieldError]:
    return pod_spec_errors(pod["spec"], "spec")


_ALONE: dict[Resource, Callable[[Object], Iterator[FieldError]]] = {
    POD: _pod_errors,
    DEPLOYMENT: deployment_errors,
    REPLICA_SET: replica_set_errors,
    SERVICE: service_errors,
    CONFIG_MAP: config_errors,
    SECRET: config_errors,
}
_CHANGED: dict[Resource, Callable[[Object, Object], Iterator[FieldError]]] = {
    POD: pod_update_errors,
    DEPLOYMENT: workload_update_errors,
    REPLICA_SET: workload_update_errors,
    SERVICE: service_update_errors,
    CONFIG_MAP: config_update_errors,
    SECRET: secret_update_errors,
}


def validate(resource: Resource, obj: Object) -> list[FieldError]:
    """Return every mistake of an object that has its defaults filled in."""
    errors = list(metadata_errors(resource, obj))
    if resource in _ALONE:
        errors += _ALONE[resource](obj)
    return errors


def validate_update(resource: Resource, new: Object, old: Object) -> list[FieldError]:
    """Return every change that is not allowed."""
    return list(_CHANGED[resource](new, old)) if resource in _CHANGED else []
