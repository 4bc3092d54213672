"""The environment that a container gets, as far as the manifests have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from podready.kube.manifest import Manifest
from podready.kube.meta import annotations_of, dig, name_of

_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_POD_SPECS: Final = {
    "Pod": "spec",
    "Deployment": "spec.template.spec",
    "StatefulSet": "spec.template.spec",
    "DaemonSet": "spec.template.spec",
    "ReplicaSet": "spec.template.spec",
    "Job": "spec.template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
}
"""Where each kind holds its pods' spec."""


class Entry(NamedTuple):
    """A variable that a container gets: its text, if the manifests have it, and its place."""

    name: str
    text: str | None
    manifest: Manifest
    path: str
    guarded: bool = False  # its value is, or may be, in a Secret


class Unseen(NamedTuple):
    """An object with variables that is not in the files; their names begin with `prefix`."""

    what: str
    prefix: str = ""


class Container:
    """One container of a manifest, with the objects it takes variables from."""

    def __init__(
        self, manifest: Manifest, path: str, spec: dict[str, Any], manifests: Sequence[Manifest]
    ) -> None:
        self.manifest, self.path, self.spec = manifest, path, spec
        self.name = str(self.spec.get("name"))
        self.unseen: list[Unseen] = []
        self.broken: list[tuple[Entry, str]] = []  # and which key is missing
        self._manifests = manifests
        entries = [*self._from_objects(), *self._from_env()]
        self.entries = {entry.name: entry for entry in entries}  # the last one counts, as in a pod

    def _from_env(self) -> Iterator[Entry]:
        for index, item in enumerate(self.spec.get("env") or []):
            path = f"{self.path}.env[{index}].name"
            source = item.get("valueFrom") or {}
            text = None if source else str(item.get("value") or "")
            entry = Entry(str(item.get("name")), text, self.manifest, path, bool(source))
            for kind, word in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                if source.get(word):
                    entry = self._resolved(entry, kind, source[word])
            yield entry

    def _resolved(self, entry: Entry, kind: str, reference: dict[str, Any]) -> Entry:
        """Return an entry with the text of the key that it refers to, if the object is known."""
        manifest = self._object(kind, str(reference.get("name")))
        if manifest is None:
            return entry
        key, texts = str(reference.get("key")), _texts(manifest)
        if key not in texts and not reference.get("optional"):
            self.broken.append((entry, f"{kind} {name_of(manifest.object)} has no key {key}"))
        return entry._replace(text=texts.get(key, (None, ""))[0], guarded=kind == "Secret")

    def _from_objects(self) -> Iterator[Entry]:
        for item in self.spec.get("envFrom") or []:
            prefix = item.get("prefix") or ""
            for kind, word in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if word in item:
                    yield from self._keys(kind, str(item[word].get("name")), prefix)

    def _keys(self, kind: str, name: str, prefix: str) -> Iterator[Entry]:
        manifest = self._object(kind, name)
        if manifest is None:
            self.unseen.append(Unseen(f"{kind} {name}", prefix))
            return
        for key, (text, part) in _texts(manifest).items():
            yield Entry(prefix + key, text, manifest, f"{part}.{key}", guarded=kind == "Secret")

    def _object(self, kind: str, name: str) -> Manifest | None:
        """Return an object of the container's namespace, where both name one."""
        namespace = dig(self.manifest.object, "metadata", "namespace", default=None)
        for each in self._manifests:
            other = dig(each.object, "metadata", "namespace", default=None)
            same = None in (namespace, other) or namespace == other
            if same and each.object["kind"] == kind and name_of(each.object) == name:
                return each
        return None

    def look_for_files(self, directories: Sequence[str]) -> None:
        """Note the volumes at the directories of a class: they may hold any variable."""
        for mount in self.spec.get("volumeMounts") or []:
            place = Path(str(mount.get("mountPath")))
            for directory in map(Path, directories):
                if place in (directory, *directory.parents) or directory in place.parents:
                    self.unseen.append(Unseen(f"volume {mount.get('name')}"))

    def may_hold(self, name: str) -> bool:
        """Say whether a variable may come from an object that is not in the files."""
        return any(name.startswith(each.prefix) for each in self.unseen)


def _texts(manifest: Manifest) -> dict[str, tuple[str | None, str]]:
    """Return the text and the part of each key; of a Secret only whether it is empty."""
    texts: dict[str, tuple[str | None, str]] = {}
    for part in ("data", "stringData"):
        for key, value in (manifest.object.get(part) or {}).items():
            text = str("" if value is None else value)
            hidden = manifest.object["kind"] == "Secret" and text
            texts[key] = (None if hidden else text, part)
    return texts


def containers_in(manifests: Sequence[Manifest], wanted: str | None) -> list[Container]:
    """Return the app's container of each workload, and the init containers that check it."""
    return [
        Container(manifest, path, spec, manifests)
        for manifest in manifests
        if manifest.object["kind"] in _POD_SPECS
        for path, spec in _chosen(manifest, wanted)
    ]


def _chosen(manifest: Manifest, wanted: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the container that kubectl would choose, then the checks, with their field paths."""
    spec = _POD_SPECS[manifest.object["kind"]]
    template = dig(manifest.object, *spec.split(".")[:-1], default={})
    wanted = wanted or annotations_of(template).get(_DEFAULT_CONTAINER)
    chosen = False
    for part in ("containers", "initContainers"):
        for index, each in enumerate(
            dig(manifest.object, *spec.split("."), part, default=[]) or []
        ):
            path = f"{spec}.{part}[{index}]"
            main = not chosen and (each.get("name") == wanted or (not wanted and part[0] == "c"))
            if main or (chosen and part[0] == "i" and _checks(each)):
                yield path, each
            chosen = chosen or main


def _checks(container: dict[str, Any]) -> bool:
    """Say whether a container runs `podready settings`."""
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    line = " ".join(map(str, words)).split()
    return any(w.rpartition("/")[2] == "podready" for w in line) and "settings" in line
