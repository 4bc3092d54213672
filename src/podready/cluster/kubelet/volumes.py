"""A pod's volumes, made as directories of this machine that containers see by bind mounts.

ConfigMaps, Secrets and the downward API get Kubernetes' atomic layout: the files lie in a dated
directory, `..data` links to it, and each name links through `..data`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podready.cluster.kubelet.environment import (
    ContainerConfigError,
    EnvironmentContext,
    Reference,
    expand,
    field_value,
    resource_value,
    source_data,
)
from podready.cluster.sandbox.interface import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podready.kube.meta import Object

_SOURCES: Final = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName")}
_DATED: Final = "..podready_1"


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    data: bytes
    mode: int


def volume_references(spec: Object) -> set[Reference]:
    """Return the ConfigMaps and Secrets that the pod's volumes name."""
    found = set()
    for volume in spec.get("volumes") or ():
        for source in _parts(volume):
            for name, (kind, key) in _SOURCES.items():
                if name in source:
                    found.add((kind, source[name].get(key) or source[name].get("name", "")))
    return found


def make_volumes(spec: Object, context: EnvironmentContext, directory: Path) -> dict[str, Path]:
    """Make the pod's volumes below `directory` and return the path of each.

    ContainerConfigError when a source is missing, or of a kind that this machine lacks.
    """
    made = {}
    for volume in spec.get("volumes") or ():
        path = directory / str(volume["name"])
        if "hostPath" in volume:
            path = Path(volume["hostPath"]["path"])
        elif "emptyDir" in volume:
            _make_directory(path, 0o777)
        else:
            _make_directory(path, 0o755)
            _write(path, _files_of(volume, spec, context))
        made[volume["name"]] = path
    return made


def mounts_of(
    container: Object, volumes: Mapping[str, Path], env: Mapping[str, str]
) -> tuple[Mount, ...]:
    """Return the container's volumeMounts as mounts, outermost first."""
    mounts = []
    for wanted in container.get("volumeMounts") or ():
        source = volumes.get(wanted["name"])
        if source is None:
            raise ContainerConfigError(f'volume "{wanted["name"]}" is not defined by the pod')
        below = wanted.get("subPath") or expand(wanted.get("subPathExpr") or "", env)
        if below:
            source = (source / below).resolve()
            if not source.exists():
                _make_directory(source, 0o777)
        mounts.append(Mount(source, wanted["mountPath"], bool(wanted.get("readOnly"))))
    return tuple(sorted(mounts, key=lambda mount: mount.target))


def _parts(volume: Object) -> list[Object]:
    """Return the sources of a volume: itself, or those of a projected one."""
    if "projected" in volume:
        return list(volume["projected"].get("sources") or ())
    return [volume]


def _files_of(volume: Object, spec: Object, context: EnvironmentContext) -> list[_File]:
    default = (volume.get("projected") or {}).get("defaultMode")
    files: list[_File] = []
    for source in _parts(volume):
        if "downwardAPI" in source:
            files += _downward(source["downwardAPI"], spec, context, default)
        elif "serviceAccountToken" in source:
            continue  # there are no service accounts here, so there is no token
        else:
            files += _keyed(volume["name"], source, context, default)
    return files


def _keyed(
    name: str, source: Object, context: EnvironmentContext, default: int | None
) -> list[_File]:
    """Return the files of a ConfigMap or Secret: all keys, or those that `items` picks."""
    found = next((field for field in _SOURCES if field in source), None)
    if found is None:
        kinds = ", ".join(sorted(key for key in source if key != "name"))
        raise ContainerConfigError(f'volume "{name}": {kinds} is not supported on this machine')
    kind, key = _SOURCES[found]
    wanted = source[found]
    ref = wanted.get(key) or wanted.get("name", "")
    obj = context.sources.get((kind, ref))
    if obj is None:
        if wanted.get("optional"):
            return []
        raise ContainerConfigError(f'{kind.lower()} "{ref}" not found')
    data = source_data(kind, obj)
    mode = wanted.get("defaultMode") or default or 0o644
    items = wanted.get("items") or [{"key": key, "path": key} for key in sorted(data)]
    missing = [item["key"] for item in items if item["key"] not in data]
    if missing and not wanted.get("optional"):
        raise ContainerConfigError(
            f"{kind.lower()} references non-existent config key: {missing[0]}"
        )
    return [
        _File(item["path"], data[item["key"]], item.get("mode") or mode)
        for item in items
        if item["key"] in data
    ]


def _downward(
    wanted: Object, spec: Object, context: EnvironmentContext, default: int | None
) -> list[_File]:
    mode = wanted.get("defaultMode") or default or 0o644
    files = []
    for item in wanted.get("items") or ():
        if ref := item.get("fieldRef"):
            text = field_value(ref["fieldPath"], context.pod)
        else:
            ref = item["resourceFieldRef"]
            named = next(c for c in spec["containers"] if c["name"] == ref["containerName"])
            text = resource_value(ref, named, context.allocatable)
        files.append(_File(item["path"], text.encode(), item.get("mode") or mode))
    return files


def _write(path: Path, files: Iterable[_File]) -> None:
    dated = path / _DATED
    _make_directory(dated, 0o755)
    data = path / "..data"
    if not data.is_symlink():
        data.symlink_to(_DATED)
    for file in files:
        target = dated / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)
        link = path / Path(file.path).parts[0]
        if not link.is_symlink():
            link.symlink_to(Path("..data") / link.name)


def _make_directory(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
