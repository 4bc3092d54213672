"""Pod specs: containers, ports, environment, probes, hooks, volumes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from podready.kube.meta import Object, without
from podready.kube.quantity import parse_quantity
from podready.kube.validation.field_error import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from podready.kube.validation.names import label_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PORT_TEXT = "must be between 1 and 65535, inclusive"
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9]|-(?!-))*(?<!-)")
_PORT_NAME_TEXT = (
    "must contain only alpha-numeric characters (a-z, 0-9) and hyphens, at least one letter, "
    "no hyphen at the ends and no two in a row, at most 15 characters"
)
_ENV_NAME_TEXT = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"  # RelaxedEnvironmentVariableValidation, GA in 1.34
)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_HOOK_HANDLERS = ("exec", "httpGet", "sleep", "tcpSocket")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_POD_UPDATE_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)


def pod_spec_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Yield the mistakes of a pod spec with its defaults filled in."""
    containers = spec.get("containers") or []
    if not containers:
        yield required(f"{path}.containers")
    if spec.get("restartPolicy") not in _RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    grace = spec.get("terminationGracePeriodSeconds", 0)
    if grace < 0:
        yield invalid(
            f"{path}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0"
        )
    volumes = spec.get("volumes") or []
    yield from _volume_errors(volumes, f"{path}.volumes")
    names = {volume.get("name") for volume in volumes}
    yield from _list_of_containers(
        spec.get("initContainers") or [], names, f"{path}.initContainers"
    )
    yield from _list_of_containers(containers, names, f"{path}.containers")
    everyone = [*(spec.get("initContainers") or ()), *containers]
    yield from _duplicates((c.get("name") for c in everyone), f"{path}.containers", "name")


def _list_of_containers(
    containers: list[Object], volumes: set[Any], path: str
) -> Iterator[FieldError]:
    for index, container in enumerate(containers):
        where = f"{path}[{index}]"
        yield from _container_errors(container, where)
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            if mount.get("name") not in volumes:
                yield not_found(f"{where}.volumeMounts[{number}].name", mount.get("name"))


def _container_errors(container: Object, path: str) -> Iterator[FieldError]:
    name = container.get("name")
    if not name:
        yield required(f"{path}.name")
    elif problem := label_problem(name):
        yield invalid(f"{path}.name", name, problem)
    if not container.get("image"):
        yield required(f"{path}.image")
    policy = container.get("imagePullPolicy")
    if policy not in _PULL_POLICIES:
        yield not_supported(f"{path}.imagePullPolicy", policy, _PULL_POLICIES)
    yield from _port_errors(container.get("ports") or [], f"{path}.ports")
    yield from _env_errors(container.get("env") or [], f"{path}.env")
    yield from _resource_errors(container.get("resources") or {}, f"{path}.resources")
    for probe in _PROBES:
        if container.get(probe) is not None:
            yield from _probe_errors(container[probe], f"{path}.{probe}", probe)
    for hook in ("postStart", "preStop"):
        action = (container.get("lifecycle") or {}).get(hook)
        if action is not None:
            yield from _one_handler(action, _HOOK_HANDLERS, f"{path}.lifecycle.{hook}")


def _port_errors(ports: list[Object], path: str) -> Iterator[FieldError]:
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        yield from port_number_errors(port.get("containerPort"), f"{where}.containerPort")
        name = port.get("name")
        if name and (len(name) > 15 or not _PORT_NAME.fullmatch(name)):
            yield invalid(f"{where}.name", name, _PORT_NAME_TEXT)
    yield from _duplicates((port.get("name") for port in ports), path, "name")


def port_number_errors(number: Any, path: str) -> Iterator[FieldError]:
    """Yield the mistake of a port number, if it is one."""
    if number is None:
        yield required(path)
    elif not isinstance(number, int) or not 1 <= number <= 65535:
        yield invalid(path, number, PORT_TEXT)


def _env_errors(variables: list[Object], path: str) -> Iterator[FieldError]:
    for index, variable in enumerate(variables):
        name, where = variable.get("name"), f"{path}[{index}]"
        if not name:
            yield required(f"{where}.name")
        elif "=" in name or not (name.isascii() and name.isprintable()):
            yield invalid(f"{where}.name", name, _ENV_NAME_TEXT)
        source = variable.get("valueFrom")
        if source and variable.get("value"):
            yield invalid(
                f"{where}.valueFrom", "", "may not be specified when `value` is not empty"
            )
        if source is not None and len(source) != 1:
            yield invalid(f"{where}.valueFrom", "", "must specify exactly one source")


def _resource_errors(resources: Object, path: str) -> Iterator[FieldError]:
    numbers: dict[tuple[str, str], Any] = {}
    for part in ("limits", "requests"):
        for name, value in (resources.get(part) or {}).items():
            try:
                numbers[part, name] = parse_quantity(value)
            except ValueError as problem:
                if part == "requests" and (resources.get("limits") or {}).get(name) == value:
                    continue  # defaulted from the limit, which has been reported
                yield invalid(f"{path}.{part}[{name}]", value, str(problem))
    for (part, name), number in numbers.items():
        limit = numbers.get(("limits", name))
        if part == "requests" and limit is not None and number > limit:
            shown = resources["requests"][name]
            text = f"must be less than or equal to {name} limit of {resources['limits'][name]}"
            yield invalid(f"{path}.requests", shown, text)


def _probe_errors(probe: Object, path: str, kind: str) -> Iterator[FieldError]:
    yield from _one_handler(probe, _PROBE_HANDLERS, path)
    for number in ("timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(number, 1) < 1:
            yield invalid(f"{path}.{number}", probe[number], "must be greater than or equal to 1")
    if probe.get("initialDelaySeconds", 0) < 0:
        text = "must be greater than or equal to 0"
        yield invalid(f"{path}.initialDelaySeconds", probe["initialDelaySeconds"], text)
    if kind != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")
    if kind == "readinessProbe" and probe.get("terminationGracePeriodSeconds") is not None:
        text = "must not be set for readinessProbes"
        yield invalid(
            f"{path}.terminationGracePeriodSeconds", probe["terminationGracePeriodSeconds"], text
        )


def _one_handler(holder: Object, handlers: Iterable[str], path: str) -> Iterator[FieldError]:
    chosen = [name for name in handlers if holder.get(name) is not None]
    if not chosen:
        yield required(path, "must specify a handler type")
    for name in chosen[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
    for name in chosen:
        action = holder[name]
        if name in ("httpGet", "tcpSocket", "grpc") and action.get("port") in (None, ""):
            yield required(f"{path}.{name}.port")
        elif isinstance(action.get("port"), int):
            yield from port_number_errors(action["port"], f"{path}.{name}.port")
        if name == "exec" and not action.get("command"):
            yield required(f"{path}.exec.command")


def _volume_errors(volumes: list[Object], path: str) -> Iterator[FieldError]:
    for index, volume in enumerate(volumes):
        name = volume.get("name")
        if not name:
            yield required(f"{path}[{index}].name")
        elif problem := label_problem(name):
            yield invalid(f"{path}[{index}].name", name, problem)
        for source in [source for source in volume if source != "name"][1:]:
            yield forbidden(f"{path}[{index}].{source}", "may not specify more than 1 volume type")
    yield from _duplicates((volume.get("name") for volume in volumes), path, "name")


def _duplicates(values: Iterable[Any], path: str, field: str) -> Iterator[FieldError]:
    seen: set[Any] = set()
    for index, value in enumerate(values):
        if value and value in seen:
            yield duplicate(f"{path}[{index}].{field}", value)
        seen.add(value)


def pod_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield the error of a pod update that touches more than Kubernetes lets it."""
    if _fixed_part(new["spec"]) != _fixed_part(old["spec"]):
        yield forbidden("spec", _POD_UPDATE_TEXT)
    kept = old["spec"].get("tolerations") or []
    if any(item not in (new["spec"].get("tolerations") or []) for item in kept):
        yield forbidden("spec.tolerations", "existing tolerations may not be changed or removed")


def _fixed_part(spec: Object) -> Object:
    fixed = without(spec, ("activeDeadlineSeconds", "tolerations", "schedulingGates"))
    for name in ("containers", "initContainers"):
        fixed[name] = [without(container, ["image"]) for container in spec.get(name) or ()]
    return fixed
