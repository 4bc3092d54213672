"""The variables of a settings class beside Kubernetes manifests: written, and compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from podready.cli.config_forms import always, default_of
from podready.errors import UsageError
from podready.kube.manifest import Manifest, dump_manifest, read_manifests
from podready.kube.meta import annotations_of, dig, name_of
from podready.runtime.settings.base import Schema
from podready.runtime.settings.documentation import docs_of
from podready.runtime.settings.load import FILE_SUFFIX
from podready.runtime.settings.report import near_miss, quote
from podready.runtime.settings.schema import Variable

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


def render(schema: Schema, form: str, name: str | None) -> str:
    """Return a ConfigMap of the open variables, or a Secret of the others, never with values."""
    secret = form == "secret"
    data: dict[str, str] = {}
    notes: dict[tuple[str, ...], str] = {}
    docs = docs_of(schema.section)
    part = "stringData" if secret else "data"
    for variable in always(schema.section):  # setting a part of an optional section asks for it
        if variable.sensitive is not secret:
            continue
        text = "" if secret else variable.default_text
        if text is None and not variable.required:
            continue  # None, or computed by the class: no text says it
        data[variable.name] = text or ""
        need = "required" if variable.required else "optional"
        about = f"{docs.get(variable.name, '')} ({variable.parser.name}, {need})"
        notes[(part, variable.name)] = about.strip()
    obj = {
        "apiVersion": "v1",
        "kind": "Secret" if secret else "ConfigMap",
        "metadata": {"name": name or _name(schema)},
        **({"type": "Opaque"} if secret else {}),
        part: data,
    }
    return dump_manifest(obj, notes)


def _name(schema: Schema) -> str:
    """Return a name for an object: the prefix as Kubernetes writes names, or `settings`."""
    return re.sub(r"[^a-z0-9]+", "-", schema.options.prefix.lower()).strip("-") or "settings"


@dataclass
class Differences:
    """What --diff found; `count` without the notes."""

    found: list[tuple[str, int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many differences there are."""
        return len(self.found)

    @property
    def lines(self) -> list[str]:
        """Return the lines to print, in the order of the files."""
        return [f"{file}:{line}: {what}" for file, line, what in sorted(self.found)] + self.notes


class Entry(NamedTuple):
    """A variable that a container gets: its text if the manifests say it, and where they do."""

    name: str
    text: str | None
    manifest: Manifest
    path: str
    guarded: bool = False  # its value is, or may be, in a Secret


def diff(schema: Schema, paths: Sequence[Path], container: str | None) -> Differences:
    """Compare the manifests' containers with a class; UsageError if there is no container."""
    manifests = read_manifests(*paths)
    workloads = [m for m in manifests if m.object["kind"] in _POD_SPECS]
    differences = Differences()
    seen = False
    for manifest in workloads:
        at = _container(manifest, container)
        if at is not None:
            seen = True
            _Comparison(schema, manifest, at, manifests, differences).run()
    if not seen:
        which = f"container {container!r}" if container else "container"
        raise UsageError(f"there is no {which} in {', '.join(map(str, paths))}")
    if not differences.count:
        far = ", as far as they are seen" if differences.notes else ""
        differences.notes.insert(0, f"{schema.kind.__name__}: the manifests fit{far}")
    return differences


def _container(manifest: Manifest, wanted: str | None) -> str | None:
    """Return the field path of the app's container, as kubectl chooses one."""
    spec = _POD_SPECS[manifest.object["kind"]]
    found = dig(manifest.object, *spec.split("."), "containers", default=None) or []
    template = dig(manifest.object, *spec.split(".")[:-1], default={})
    wanted = wanted or annotations_of(template).get(_DEFAULT_CONTAINER)
    for index, each in enumerate(found):
        if wanted in (None, each.get("name")):
            return f"{spec}.containers[{index}]"
    return None


class _Comparison:
    """One container against one class."""

    def __init__(
        self,
        schema: Schema,
        manifest: Manifest,
        path: str,
        manifests: Sequence[Manifest],
        differences: Differences,
    ) -> None:
        self._schema, self._manifest, self._path = schema, manifest, path
        self._manifests, self._differences = manifests, differences
        index = int(path.rpartition("[")[2].rstrip("]"))
        self._spec = dig(manifest.object, *path.rpartition(".")[0].split("."))
        self._container = self._spec["containers"][index]
        self._unseen: list[str] = []

    def run(self) -> None:
        """Note every difference."""
        entries = {entry.name: entry for entry in [*self._from_objects(), *self._from_env()]}
        self._look_at_mounts()
        for variable in self._schema.variables():
            self._compare(variable, entries)
        self._note_unknown(entries)
        self._note_unseen()

    def _from_env(self) -> Iterator[Entry]:
        for index, item in enumerate(self._container.get("env") or []):
            path = f"{self._path}.env[{index}].name"
            source = item.get("valueFrom") or {}
            text = None if source else str(item.get("value") or "")
            guarded = bool(source)
            name = dig(source, "configMapKeyRef", "name", default=None)
            config = self._object("ConfigMap", name) if name else None
            if config is not None:
                key = source["configMapKeyRef"].get("key")
                text, guarded = dig(config.object, "data", key, default=None), False
            yield Entry(str(item.get("name")), text, self._manifest, path, guarded)

    def _from_objects(self) -> Iterator[Entry]:
        for item in self._container.get("envFrom") or []:
            prefix = item.get("prefix") or ""
            for kind, part in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if part in item:
                    yield from self._keys(kind, item[part].get("name"), prefix)

    def _keys(self, kind: str, name: str, prefix: str) -> Iterator[Entry]:
        found = self._object(kind, name)
        if found is None:
            self._unseen.append(f"{kind} {name}")
            return
        for part in ("data", "stringData"):
            for key, text in (found.object.get(part) or {}).items():
                secret = kind == "Secret"
                shown = None if secret else str(text)
                yield Entry(prefix + key, shown, found, f"{part}.{key}", guarded=secret)

    def _object(self, kind: str, name: str) -> Manifest | None:
        for each in self._manifests:
            if each.object["kind"] == kind and name_of(each.object) == name:
                return each
        return None

    def _look_at_mounts(self) -> None:
        """A volume where the class looks for files may hold anything."""
        for mount in self._container.get("volumeMounts") or []:
            place = Path(str(mount.get("mountPath")))
            for directory in map(Path, self._schema.options.directories):
                if place in (directory, *directory.parents) or directory in place.parents:
                    self._unseen.append(f"volume {mount.get('name')}")

    def _compare(self, variable: Variable, entries: dict[str, Entry]) -> None:
        names = (variable.name, *variable.aliases)
        given = [entries[name] for name in names if name in entries]
        if given:
            self._judge(variable, given[0])
        elif any(name + FILE_SUFFIX in entries for name in names) or self._unseen:
            return
        elif default_of(self._schema, variable) == "required":
            doc = docs_of(self._schema.section).get(variable.name, "")
            self._note(None, f"lacks {variable.name} {variable.expected} {doc}".rstrip())

    def _judge(self, variable: Variable, entry: Entry) -> None:
        """Note what is wrong with a value that the manifests say."""
        if entry.text is None or "$(" in entry.text:
            return
        if not entry.text:
            if not variable.declared.allow_empty:
                self._note(entry, f"{variable.name} is set but empty")
            return
        if variable.sensitive and not entry.guarded:
            self._note(entry, f"{variable.name} is a secret: take it from a Secret (secretKeyRef)")
        if variable.declared.expand:
            return
        try:
            variable.parser.parse(entry.text)
        except Exception as error:  # noqa: BLE001 - the app's own parser may raise anything
            self._note(entry, _refusal(variable, entry.text, error))

    def _note_unknown(self, entries: dict[str, Entry]) -> None:
        prefix = self._schema.options.prefix
        names = self._schema.section.names()
        known = names | {name + FILE_SUFFIX for name in names}
        for name, entry in entries.items():
            if name in known or not name.startswith(prefix):
                continue
            meant = near_miss(name, known)
            hint = f"; did you mean {meant}?" if meant else ""
            if prefix or meant:
                kind = self._schema.kind.__name__
                self._note(entry, f"{name} is no variable of {kind}{hint}")

    def _note_unseen(self) -> None:
        if self._unseen:
            places = ", ".join(dict.fromkeys(self._unseen))
            self._differences.notes.append(
                f"not seen: what is in {places}; name its file with another --diff"
            )

    def _note(self, entry: Entry | None, what: str) -> None:
        manifest = entry.manifest if entry else self._manifest
        path = entry.path if entry else f"{self._path}.env"
        where = "" if entry else f"container {self._container.get('name')} "
        self._differences.found.append((manifest.file, manifest.line_of(path), where + what))


def _refusal(variable: Variable, text: str, error: Exception) -> str:
    reason = str(error) if isinstance(error, ValueError) else "cannot be parsed"
    if variable.sensitive:
        return f"{variable.name} is not a valid {variable.parser.name}"
    return f"{variable.name}: {quote(variable.name, text, secret=False)} {reason}"
