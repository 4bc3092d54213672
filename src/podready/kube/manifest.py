"""YAML manifests to objects that know where they were written, and back; YAML is only here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from podready.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from podready.kube.meta import Object

SUFFIXES = (".yaml", ".yml", ".json")
"""Files of a folder that are read as manifests, as kubectl apply -f does."""

_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Plain words that YAML 1.1, which kubectl reads, takes for booleans or null."""

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object, the file it was written in, and the line (from 1) it starts on."""

    object: Object
    file: str
    line: int
    _node: Any = None

    def line_of(self, path: str) -> int:
        """Return the line of a field path such as `spec.containers[0].image`.

        A field that is not written has the line of the nearest one above it that is.
        """
        return _line_of(self._node, path, self.line)

    def error(self, message: str, path: str = "") -> ManifestError:
        """Return the ManifestError for a mistake at a field path."""
        return ManifestError(message, file=self.file, line=self.line_of(path))


def read_manifests(*paths: Path) -> list[Manifest]:
    """Return the objects of files and folders (not their subfolders), in the order of their names.

    Lists (`kind: List`) are taken apart. ManifestError with file and line for what is missing,
    is no YAML, or is no Kubernetes object.
    """
    files = [file for path in paths for file in _files(path)]
    return [manifest for file in files for manifest in parse_manifests(_text(file), str(file))]


def parse_manifests(text: str, file: str) -> list[Manifest]:
    """Return the objects of YAML text; `file` is what errors call it."""
    found: list[Manifest] = []
    for node in _documents(text, file):
        found.extend(_objects(node, file))
    return found


def parse_yaml(text: str) -> Any:
    """Return the plain value of one YAML document; ValueError when it is none."""
    try:
        return _plain(_KubernetesYaml().load(text))
    except YAMLError as problem:
        raise ValueError(str(problem)) from None


def dump_manifest(obj: Object, notes: Mapping[tuple[str, ...], str] | None = None) -> str:
    """Return YAML text that every Kubernetes tool reads as `obj`; texts are quoted where needed.

    `notes` are comments above the field at a path such as `("data", "PORT")`.
    """
    node = _commented(obj, (), notes or {})
    writer = YAML(typ="rt")
    writer.width = 4096  # no folding: a long text stays on its line
    stream = StringIO()
    writer.dump(node, stream)
    return stream.getvalue()


def _commented(value: Any, path: tuple[str, ...], notes: Mapping[tuple[str, ...], str]) -> Any:
    if isinstance(value, str):
        return DoubleQuotedScalarString(value) if _needs_quotes(value) else value
    if isinstance(value, list):
        return [_commented(item, path, notes) for item in value]
    if not isinstance(value, dict):
        return value
    node = CommentedMap()
    for key, item in value.items():
        here = (*path, key)
        node[_commented(key, here, notes)] = _commented(item, here, notes)
        if here in notes:
            node.yaml_set_comment_before_after_key(key, before=notes[here], indent=2 * len(path))
    return node


def _needs_quotes(text: str) -> bool:
    """Say whether plain text would be read as something else by YAML 1.1 or 1.2."""
    return re.fullmatch(r"[A-Za-z][\w./-]*", text, re.ASCII) is None or text.lower() in _WORDS


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix in SUFFIXES and f.is_file())
        if not files:
            raise ManifestError("no .yaml, .yml or .json file in this folder", file=str(path))
        return files
    if not path.exists():
        raise ManifestError("no such file or folder; name the manifests' place", file=str(path))
    return [path]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise ManifestError(f"cannot be read: {problem.strerror}", file=str(file)) from None
    except UnicodeDecodeError:
        raise ManifestError("is not UTF-8 text", file=str(file)) from None


class _KubernetesYaml(YAML):
    """YAML 1.1 throughout, as kubectl reads it (`yes` is a boolean), with line numbers.

    ruamel drops the version after the first document of a file; a constant stays.
    """

    def __init__(self) -> None:
        super().__init__(typ="rt")  # round-trip mode is the one that keeps line numbers

    @property
    def version(self) -> tuple[int, int]:
        return 1, 1

    @version.setter
    def version(self, _: object) -> None:
        pass


def _documents(text: str, file: str) -> Iterator[Any]:
    try:
        yield from _KubernetesYaml().load_all(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else None
        raise ManifestError(f"not YAML: {problem.problem}", file=file, line=line) from None
    except YAMLError as problem:
        raise ManifestError(f"not YAML: {problem}", file=file) from None


def _objects(node: Any, file: str) -> Iterator[Manifest]:
    if node is None:
        return
    line = _start(node)
    if not isinstance(node, CommentedMap):
        raise ManifestError("not a Kubernetes object: a map is expected here", file=file, line=line)
    if node.get("kind") == "List" and isinstance(node.get("items"), list):
        for item in node["items"]:
            yield from _objects(item, file)
        return
    for field in ("apiVersion", "kind"):
        if not isinstance(node.get(field), str):
            raise ManifestError(
                f"not a Kubernetes object: {field} is missing", file=file, line=line
            )
    obj = _plain(node)
    name = obj.get("metadata")
    if not isinstance(name, dict) or not (name.get("name") or name.get("generateName")):
        message = f"{node['kind']} without metadata.name"
        raise ManifestError(message, file=file, line=line)
    yield Manifest(obj, file, line, node)


def _start(node: Any) -> int:
    position = getattr(node, "lc", None)
    return int(position.line) + 1 if position is not None and position.line is not None else 1


def _plain(node: Any) -> Any:
    """Return the value without ruamel's own types: what JSON could carry."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    # Dates and binary are text to Kubernetes.
    return node.decode() if isinstance(node, bytes) else str(node)


def _line_of(node: Any, path: str, line: int) -> int:
    for found in _STEP.finditer(path):
        step: Any = int(found[1]) if found[1] else found[2]
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0] + 1
        else:
            break
        node = node[step]
    return int(line)
