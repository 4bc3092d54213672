"""The project's manifests made ready to apply: read, put in a namespace, in order.

What the local API does not serve yet (an Ingress, a PodDisruptionBudget, …) is left out and named,
so that the report can say so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from podready.errors import ProjectError
from podready.kube.gvk import resource_of
from podready.kube.manifest import Manifest, read_manifests
from podready.kube.meta import copy_of, name_of, namespace_of
from podready.kube.schema import mistyped_fields, types, unknown_fields
from podready.project import MANIFEST_FOLDERS, Project
from podready.values.closest_match import closest_match

_ORDER: Final = ("Namespace", "ConfigMap", "Secret", "Service", "Deployment")
"""What pods read comes before the pods; Services too, because their variables do."""


@dataclass(frozen=True, slots=True)
class ProjectManifests:
    """What to apply, in order, and one sentence for each object that is left out."""

    namespace: str
    objects: tuple[Manifest, ...]
    left_out: tuple[str, ...]


def load_manifests(project: Project) -> ProjectManifests:
    """Read the project's manifests; ProjectError or ManifestError when that cannot work."""
    if not project.manifests:
        looked = ", ".join(f"{name}/" for name in MANIFEST_FOLDERS)
        raise ProjectError(
            f"{project.root} has no manifests (looked for {looked}); name their files or folders "
            "in [tool.podready] manifests"
        )
    paths = [shown(path) for path in project.manifests]
    manifests = read_manifests(*paths)
    for manifest in manifests:
        check_fields(manifest)
    return arrange(manifests, project.namespace)


def check_fields(manifest: Manifest) -> None:
    """Raise ManifestError, with its line, for a field that is mistyped or does not exist.

    `kubectl apply` is as strict (fieldValidation=Strict): a server only warns and drops the field.
    """
    for path in unknown_fields(manifest.object):
        name = path.rpartition(".")[2]
        near = closest_match(name, _known_fields(manifest, path))
        hint = f"; did you mean {near!r}?" if near else ""
        raise manifest.error(f"{_name(manifest)}: unknown field {path!r}{hint}", path)
    for wrong in mistyped_fields(manifest.object):
        raise manifest.error(
            f"{_name(manifest)}: {wrong.path} must be {wrong.wanted}, not {wrong.found}", wrong.path
        )


def _known_fields(manifest: Manifest, path: str) -> list[str]:
    """Return the fields that could stand where the unknown one does."""
    kind = types().get(manifest.object["kind"])
    for step in path.split(".")[:-1]:
        kind = kind.field_type(step.partition("[")[0]) if kind else None
    return list(kind.fields) if kind else []


def shown(path: Path) -> Path:
    """Return the path as people would write it here: relative where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def arrange(manifests: list[Manifest], namespace: str) -> ProjectManifests:
    """Return the served objects, each with its namespace, in the order in which to apply them."""
    served, left_out = [], []
    for manifest in manifests:
        if _resource(manifest) is None:
            left_out.append(f"{_where(manifest)}: {_name(manifest)} is not served here: left out")
        else:
            served.append(_placed(manifest, namespace))
    services = [m for m in served if m.object["kind"] == "Service"]
    chosen = (namespace_of(services[0].object) if services else None) or namespace
    served += _missing_namespace(served, chosen)
    served.sort(key=lambda m: _ORDER.index(m.object["kind"]) if m.object["kind"] in _ORDER else 9)
    return ProjectManifests(chosen, tuple(served), tuple(left_out))


def _resource(manifest: Manifest) -> object:
    return resource_of(manifest.object["apiVersion"], manifest.object["kind"])


def _placed(manifest: Manifest, namespace: str) -> Manifest:
    """Return the manifest with a namespace, where its kind has one and it names none."""
    resource = resource_of(manifest.object["apiVersion"], manifest.object["kind"])
    if resource is None or not resource.namespaced or namespace_of(manifest.object):
        return manifest
    obj = copy_of(manifest.object)
    obj["metadata"]["namespace"] = namespace
    return replace(manifest, object=obj)


def _missing_namespace(manifests: list[Manifest], namespace: str) -> list[Manifest]:
    """Return a Namespace to create when objects live in one that no manifest makes."""
    made = {name_of(m.object) for m in manifests if m.object["kind"] == "Namespace"}
    if namespace in made | {"default"}:
        return []
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    return [Manifest(obj, "podready", 0)]


def _name(manifest: Manifest) -> str:
    return f"{manifest.object['kind']} {name_of(manifest.object)}"


def _where(manifest: Manifest) -> str:
    return f"{manifest.file}:{manifest.line}"
