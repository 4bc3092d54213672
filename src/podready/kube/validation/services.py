"""Services, ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import TYPE_CHECKING

from podready.kube.validation.field_error import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from podready.kube.validation.names import config_key_problem, label_errors, label_problem
from podready.kube.validation.pods import port_number_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podready.kube.meta import Object

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_DATA_LIMIT = 1024 * 1024
"""Bytes of data in a ConfigMap or Secret (core.MaxSecretSize)."""


def service_errors(service: Object) -> Iterator[FieldError]:
    """Yield the mistakes of a Service."""
    spec = service["spec"]
    if spec.get("type") not in _TYPES:
        yield not_supported("spec.type", spec.get("type"), _TYPES)
    if spec.get("sessionAffinity") not in _AFFINITIES:
        yield not_supported("spec.sessionAffinity", spec.get("sessionAffinity"), _AFFINITIES)
    yield from label_errors(spec.get("selector") or {}, "spec.selector")
    yield from _cluster_ip_errors(spec.get("clusterIP"))
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    yield from _port_errors(ports)


def _cluster_ip_errors(address: str | None) -> Iterator[FieldError]:
    if address in (None, "", "None"):
        return
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        text = "must be a valid IP address, (e.g. 10.9.8.7), or `None` or an empty string"
        yield invalid("spec.clusterIPs[0]", address, text)


def _port_errors(ports: list[Object]) -> Iterator[FieldError]:
    seen: set[object] = set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name")
        yield from port_number_errors(port.get("port"), f"{path}.port")
        if isinstance(port.get("targetPort"), int):
            yield from port_number_errors(port["targetPort"], f"{path}.targetPort")
        if port.get("protocol") not in _PROTOCOLS:
            yield not_supported(f"{path}.protocol", port.get("protocol"), _PROTOCOLS)
        if len(ports) > 1 and not name:
            yield required(f"{path}.name")
        elif name and (problem := label_problem(name)):
            yield invalid(f"{path}.name", name, problem)
        for value in filter(None, (name, (port.get("port"), port.get("protocol")))):
            if value in seen:
                yield duplicate(path, name or port)
            seen.add(value)


def service_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield the error of a changed cluster address."""
    before, after = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if before and after != before and new["spec"].get("type") != "ExternalName":
        yield invalid("spec.clusterIPs[0]", [after], "may not change once set")


def config_errors(obj: Object) -> Iterator[FieldError]:
    """Yield the mistakes of a ConfigMap or a Secret."""
    size = 0
    for part in ("data", "binaryData"):
        for key, value in (obj.get(part) or {}).items():
            if problem := config_key_problem(key):
                yield invalid(f"{part}[{key}]", key, problem)
            if part == "binaryData" or obj["kind"] == "Secret":
                yield from _base64_errors(value, f"{part}[{key}]")
            size += len(value or "")
    if size > _DATA_LIMIT:
        text = f"may not be more than {_DATA_LIMIT} bytes"
        yield FieldError("data", "FieldValueTooLong", f"Too long: {text}")


def _base64_errors(value: str, path: str) -> Iterator[FieldError]:
    try:
        base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError):
        # The value may be a secret: it is never shown.
        text = "Invalid value: not base64 (a Secret's plain text goes into stringData)"
        yield FieldError(path, "FieldValueInvalid", text)


def config_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield the error of a change to what says that it is immutable."""
    if not old.get("immutable"):
        return
    if any(new.get(part) != old.get(part) for part in ("data", "binaryData", "immutable")):
        yield forbidden("data", "field is immutable when `immutable` is set")


def secret_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield the errors of a Secret's update: its type never changes."""
    if new.get("type") != old.get("type"):
        yield invalid("type", new.get("type"), "field is immutable")
    yield from config_update_errors(new, old)
