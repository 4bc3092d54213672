"""A container's environment and command line, as the kubelet makes them from the pod's spec.

Pure functions (pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables): whatever they need of the
API has been fetched before. Order, later wins: service variables, envFrom, env. `$(NAME)` is
expanded from variables named earlier; one that is unknown stays as it is.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from podready.kube.meta import Object, annotations_of, dig, key_of, labels_of
from podready.kube.quantity import divide_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Reference = tuple[str, str]
"""A kind (ConfigMap or Secret) and a name in the pod's namespace."""

_REFERENCE: Final = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SUBSCRIPT: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_NAME: Final = re.compile(r"[ -<>-~]+")  # any printable ASCII but "=" (relaxed since 1.34)
_REF_FIELDS: Final = {"configMap": "ConfigMap", "secret": "Secret"}
_DOTTED: Final = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "status.hostIP": ("status", "hostIP"),
    "status.podIP": ("status", "podIP"),
}
_LISTS: Final = {"status.hostIPs": "status.hostIP", "status.podIPs": "status.podIP"}


class ContainerConfigError(Exception):
    """The container cannot be made from what its spec refers to; Kubernetes tries again."""


@dataclass(frozen=True, slots=True)
class EnvironmentContext:
    """What a pod's environment may refer to, fetched for this moment.

    `services` are those of the pod's namespace (and `kubernetes` of `default`); `sources` hold
    the ConfigMaps and Secrets by reference, missing ones left out; `allocatable` replaces
    limits that are not set.
    """

    pod: Object
    services: tuple[Object, ...] = ()
    sources: Mapping[Reference, Object] = field(default_factory=dict)
    allocatable: Mapping[str, str] = field(default_factory=dict)


def references(container: Object) -> set[Reference]:
    """Return the ConfigMaps and Secrets that the container's environment names."""
    found = set()
    for source in container.get("envFrom") or ():
        for prefix, kind in _REF_FIELDS.items():
            if ref := source.get(prefix + "Ref"):
                found.add((kind, ref["name"]))
    for variable in container.get("env") or ():
        for prefix, kind in _REF_FIELDS.items():
            if ref := dig(variable, "valueFrom", prefix + "KeyRef"):
                found.add((kind, ref["name"]))
    return found


def container_environment(container: Object, context: EnvironmentContext) -> dict[str, str]:
    """Return the variables that Kubernetes itself gives the container.

    ContainerConfigError when a source that is not optional, or its key, is missing.
    """
    result: dict[str, str] = {}
    links = dig(context.pod, "spec", "enableServiceLinks", default=True)
    for service in context.services:
        # every container gets default/kubernetes, links or not (kubelet_pods.go:
        # getServiceEnvVarMap); many programs find out by it that they are in a cluster.
        if links or key_of(service) == "default/kubernetes":
            result.update(service_environment(service))
    for source in container.get("envFrom") or ():
        result.update(_all_of(source, context))
    for variable in container.get("env") or ():
        value = _value_of(variable, container, context, result)
        if value is not None:
            result[variable["name"]] = value
    return result


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` is a dollar; an unknown name stays."""

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        return known.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def command_line(
    container: Object,
    image_entrypoint: Iterable[str],
    image_cmd: Iterable[str],
    env: Mapping[str, str],
) -> tuple[str, ...]:
    """Return what is executed: `command` replaces ENTRYPOINT and drops CMD, `args` replaces CMD."""
    command, args = container.get("command"), container.get("args")
    start = tuple(expand(word, env) for word in command) if command else tuple(image_entrypoint)
    if args:
        return start + tuple(expand(word, env) for word in args)
    return start if command else start + tuple(image_cmd)


def service_environment(service: Object) -> dict[str, str]:
    """Return the variables a Service injects into pods (pkg/kubelet/envvars): Docker's links."""
    ip, ports = dig(service, "spec", "clusterIP", default=""), dig(service, "spec", "ports") or []
    if not ip or ip == "None" or not ports:
        return {}
    name = service["metadata"]["name"].upper().replace("-", "_")
    result = {f"{name}_SERVICE_HOST": ip, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            result[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(
                port["port"]
            )
    first = ports[0]
    result[f"{name}_PORT"] = _url(ip, first)
    for port in ports:
        prefix = f"{name}_PORT_{port['port']}_{port.get('protocol', 'TCP')}"
        result |= {
            prefix: _url(ip, port),
            f"{prefix}_PROTO": port.get("protocol", "TCP").lower(),
            f"{prefix}_PORT": str(port["port"]),
            f"{prefix}_ADDR": ip,
        }
    return result


def _url(ip: str, port: Object) -> str:
    return f"{port.get('protocol', 'TCP').lower()}://{ip}:{port['port']}"


def source_data(kind: str, source: Object) -> dict[str, bytes]:
    """Return the values of a ConfigMap or Secret, decoded."""
    if kind == "Secret":
        return {k: base64.b64decode(v) for k, v in (source.get("data") or {}).items()}
    texts = {key: value.encode() for key, value in (source.get("data") or {}).items()}
    binaries = {k: base64.b64decode(v) for k, v in (source.get("binaryData") or {}).items()}
    return texts | binaries


def _all_of(source: Object, context: EnvironmentContext) -> dict[str, str]:
    """Return every variable of one envFrom entry; keys that cannot be names are left out."""
    prefix = source.get("prefix", "")
    for field_name, kind in _REF_FIELDS.items():
        ref = source.get(field_name + "Ref")
        if ref:
            found = _find(kind, ref, context)
            data = source_data(kind, found) if found else {}
            named = {prefix + key: value for key, value in data.items()}
            return {k: v.decode(errors="replace") for k, v in named.items() if _NAME.fullmatch(k)}
    return {}


def _find(kind: str, ref: Object, context: EnvironmentContext) -> Object | None:
    found = context.sources.get((kind, ref["name"]))
    if found is None and not ref.get("optional"):
        raise ContainerConfigError(f'{kind.lower()} "{ref["name"]}" not found')
    return found


def _value_of(
    variable: Object, container: Object, context: EnvironmentContext, known: Mapping[str, str]
) -> str | None:
    """Return the value of one `env` entry; None when its optional source is missing."""
    source = variable.get("valueFrom")
    if not source:
        return expand(variable.get("value") or "", known)
    if ref := source.get("fieldRef"):
        return field_value(ref["fieldPath"], context.pod)
    if ref := source.get("resourceFieldRef"):
        return resource_value(ref, container, context.allocatable)
    for field_name, kind in _REF_FIELDS.items():
        if ref := source.get(field_name + "KeyRef"):
            return _keyed(kind, ref, context)
    raise ContainerConfigError(f"env {variable['name']}: this kind of valueFrom is not supported")


def _keyed(kind: str, ref: Object, context: EnvironmentContext) -> str | None:
    found = _find(kind, ref, context)
    data = source_data(kind, found) if found else {}
    if ref["key"] in data:
        return data[ref["key"]].decode(errors="replace")
    if ref.get("optional"):
        return None
    namespace = context.pod["metadata"].get("namespace", "default")
    raise ContainerConfigError(
        f"couldn't find key {ref['key']} in {kind} {namespace}/{ref['name']}"
    )


def field_value(path: str, pod: Object) -> str:
    """Return a field of the pod as the downward API gives it."""
    if subscript := _SUBSCRIPT.fullmatch(path):
        table = labels_of(pod) if subscript[1] == "labels" else annotations_of(pod)
        return table.get(subscript[2], "")
    if path in ("metadata.labels", "metadata.annotations"):
        table = labels_of(pod) if path.endswith("labels") else annotations_of(pod)
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(table.items()))
    where = _DOTTED.get(_LISTS.get(path, path))
    if where is None:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return str(dig(pod, *where, default=""))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(ref: Object, container: Object, allocatable: Mapping[str, str]) -> str:
    """Return a request or limit over its divisor, rounded up; a missing limit is the node's."""
    group, _, resource = ref["resource"].partition(".")
    value = dig(container, "resources", group, resource)
    if value is None:
        value = allocatable.get(resource, "0") if group == "limits" else "0"
    divisor = ref.get("divisor") or "1"
    return str(divide_up(value, divisor if divisor != "0" else "1"))
