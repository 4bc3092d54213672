"""A settings class beside the manifests of its app: what is missing, too much or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from podready.cli.settings_entries import Container, Entry, containers_in
from podready.cli.settings_formats import always
from podready.errors import UsageError
from podready.kube.manifest import read_manifests
from podready.runtime.settings.documentation import docs_of
from podready.runtime.settings.environment import FILE_SUFFIX
from podready.runtime.settings.load import Schema
from podready.runtime.settings.report import quote
from podready.runtime.settings.schema import Section, Variable
from podready.values.closest_match import closest_match


@dataclass
class Differences:
    """What --diff found; `count` without the notes."""

    entries: list[tuple[str, int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many differences there are."""
        return len(set(self.entries))

    @property
    def lines(self) -> list[str]:
        """Return the lines to print, in the order of the files."""
        entries = sorted(set(self.entries))
        return [f"{file}:{line}: {what}" for file, line, what in entries] + self.notes


def diff(schema: Schema, paths: Sequence[Path], container: str | None) -> Differences:
    """Compare the manifests' containers with a class; UsageError if there is no container."""
    containers = containers_in(read_manifests(*paths), container)
    if not containers:
        which = f"container {container!r}" if container else "container"
        raise UsageError(f"there is no {which} in {', '.join(map(str, paths))}")
    differences = Differences()
    for each in containers:
        _Comparison(schema, each, differences).run()
    if not differences.count:
        far = ", as far as they are seen" if differences.notes else ""
        differences.notes.insert(0, f"{schema.kind.__name__}: the manifests fit{far}")
    return differences


class _Comparison:
    """One container against one class."""

    def __init__(self, schema: Schema, container: Container, differences: Differences) -> None:
        self._schema, self._container, self._differences = schema, container, differences
        self._entries = container.entries
        self._docs = docs_of(schema.section)
        container.look_for_files(schema.options.directories)

    def run(self) -> None:
        """Note every difference."""
        needed = set(self._needed(self._schema.section))
        for variable in self._schema.variables():
            self._compare(variable, required=variable.name in needed)
        for entry, what in self._container.broken:
            self._note(entry, f"{entry.name}: {what}")
        self._note_unknown()
        self._note_unseen()

    def _needed(self, section: Section) -> Iterator[str]:
        """Yield the names of what is required, in optional sections that are begun too."""
        yield from (each.name for each in always(section) if each.required)
        for part in section.sections():
            begun = any(self._names_set(each) for each in part.variables())
            if part is not section and part.default is None and begun:
                yield from (each.name for each in always(part) if each.required)

    def _names_set(self, variable: Variable) -> list[str]:
        """Return the names by which the container gets a variable."""
        names = (variable.name, *variable.aliases)
        return [
            each for name in names for each in (name, name + FILE_SUFFIX) if each in self._entries
        ]

    def _compare(self, variable: Variable, *, required: bool) -> None:
        names = self._names_set(variable)
        plain = [name for name in names if name in (variable.name, *variable.aliases)]
        if plain:
            self._judge(variable, self._entries[plain[0]])
            file = plain[0] + FILE_SUFFIX
            if file in names:
                self._note(self._entries[file], f"both {plain[0]} and {file} are set")
        elif required and not names and not self._container.may_hold(variable.name):
            doc = self._docs.get(variable.name, "")
            self._note(None, f"lacks {variable.name} {variable.expected} {doc}".rstrip())

    def _judge(self, variable: Variable, entry: Entry) -> None:
        """Note what is wrong with a value in the manifests."""
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

    def _note_unknown(self) -> None:
        prefix = self._schema.options.prefix
        names = self._schema.section.names()
        known = names | {name + FILE_SUFFIX for name in names}
        for name, entry in self._entries.items():
            if name in known or not name.startswith(prefix):
                continue
            meant = closest_match(name, known)
            hint = f"; did you mean {meant}?" if meant else ""
            if prefix or meant:
                kind = self._schema.kind.__name__
                self._note(entry, f"{name} is not a variable of {kind}{hint}")

    def _note_unseen(self) -> None:
        if self._container.unseen:
            places = ", ".join(dict.fromkeys(each.what for each in self._container.unseen))
            note = f"not seen: what is in {places}; name its file with another --diff"
            if note not in self._differences.notes:
                self._differences.notes.append(note)

    def _note(self, entry: Entry | None, what: str) -> None:
        manifest = entry.manifest if entry else self._container.manifest
        path = entry.path if entry else f"{self._container.path}.env"
        where = "" if entry else f"container {self._container.name} "
        self._differences.entries.append((manifest.file, manifest.line_of(path), where + what))


def _refusal(variable: Variable, text: str, error: Exception) -> str:
    reason = str(error) if isinstance(error, ValueError) else "cannot be parsed"
    if variable.sensitive:
        return f"{variable.name} is not a valid {variable.parser.name}"
    return f"{variable.name}: {quote(variable.name, text, secret=False)} {reason}"
