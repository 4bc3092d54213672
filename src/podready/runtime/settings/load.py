"""From the environment to an instance of a settings class, or to all problems at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.settings.environment import (
    FILE_SUFFIX,
    Environment,
    SourceError,
    process_environment,
    remove_from_environment,
)
from podready.runtime.settings.schema import Section, ValidationError, Variable, section_of
from podready.runtime.settings.variable import COMPUTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.runtime.settings.environment import RawValue
    from podready.runtime.settings.report import Problem
    from podready.runtime.settings.sources import Sources
    from podready.runtime.settings.variable import Options

_FAILED: Final = object()
_OMITTED: Final = object()


class Schema:
    """A settings class, whichever library made it, and the options it is read with."""

    def __init__(self, kind: Any, options: Options) -> None:
        self.kind, self.options = kind, options
        self.section: Section = section_of(kind, options)

    def variables(self) -> tuple[Variable, ...]:
        """Return all variables, those of sections too, in the order of the fields."""
        return tuple(self.section.variables())

    def read(self, environ: Mapping[str, str], *, allow_env_file: bool = False) -> Reading:
        """Read without raising; `env_file` counts only if allowed, and outside Kubernetes."""
        return read(self.section, self.options, environ, allow_env_file=allow_env_file)

    def load(self, environ: Mapping[str, str] | None = None) -> Any:
        """Return an instance; see `Settings.load`, which this is."""
        own = environ is None
        # No local variable holds the mapping: tools that log locals would log its secrets.
        reading = self.read(
            process_environment() if environ is None else environ, allow_env_file=own
        )
        if reading.problems:
            from podready.errors import SettingsError
            from podready.runtime.logs.announce import announce
            from podready.runtime.settings.report import render_report

            raise announce(SettingsError(render_report(reading.problems, self.options.prefix)))
        if self.options.unset_secrets and own:
            secrets = (variable for variable in self.variables() if variable.secret)
            remove_from_environment(name for v in secrets for name in (v.name, *v.aliases))
        return reading.value


class Reading:
    """The result of reading a class: the instance or the problems, and the raw values by name."""

    def __init__(
        self, value: Any, problems: list[Problem], raw_values: dict[str, RawValue]
    ) -> None:
        self.value, self.problems, self.raw_values = value, problems, raw_values


def read(
    root: Section,
    options: Options,
    environ: Mapping[str, str],
    *,
    allow_env_file: bool = False,
) -> Reading:
    """Read a class from `environ` and its files; `.env` only if allowed, outside Kubernetes."""
    names = root.names()
    sources: Environment | Sources = Environment(environ, names)
    if options.directories or options.env_file:
        from podready.runtime.settings.sources import open_sources

        sources = open_sources(options, names, environ, allow_env_file=allow_env_file)
    reader = Reader(root, sources)
    value = reader.section(root)
    problems = [*sources.problems, *reader.problems]
    if options.prefix and options.unknown == "error":
        problems += unknown_variables(names, sources, options.prefix)
    return Reading(None if problems else value, problems, reader.raw_values)


def unknown_variables(
    names: set[str], sources: Environment | Sources, prefix: str
) -> list[Problem]:
    """Return the set variables with the prefix, in any case, that look like a misspelt one."""
    upper = prefix.upper()
    others = {n for n in sources.names() if n.upper().startswith(upper) and n not in names}
    if not others:
        return []
    from podready.runtime.settings.diagnosis import misspelt

    known = names | {name + FILE_SUFFIX for name in names}
    return misspelt(sorted(others - known), known, sources)


class Reader:
    """One pass over a tree of variables that collects every problem."""

    def __init__(self, root: Section, sources: Environment | Sources) -> None:
        self._root, self._sources = root, sources
        self.problems: list[Problem] = []
        self.raw_values: dict[str, RawValue] = {}

    def section(self, section: Section) -> Any:
        """Return the instance of a section."""
        before = len(self.problems)
        values = {}
        for member in section.members:
            read = self._variable if isinstance(member, Variable) else self._section
            value = read(member)  # type: ignore[arg-type]  # each gets its own kind
            if value is not _OMITTED:
                values[member.field] = value
        return self._make(section, values) if len(self.problems) == before else _FAILED

    def _section(self, section: Section) -> Any:
        if section.default is None and not self._any_set(section):
            return None
        return self.section(section)

    def _any_set(self, section: Section) -> bool:
        try:
            return any(
                self._sources.find(variable.name, variable.aliases)
                for variable in section.variables()
            )
        except SourceError:
            return True

    def _make(self, section: Section, values: dict[str, Any]) -> Any:
        try:
            return section.adapter.make(section.kind, values)
        except Exception as error:  # noqa: BLE001 - the app's own checks may raise anything
            from podready.runtime.settings.app_errors import describe_error
            from podready.runtime.settings.diagnosis import rejected

            reasons = [("", describe_error(error, "cannot be made"))]
            for field, reason in error.reasons if isinstance(error, ValidationError) else reasons:
                self._fail(rejected(self._root, section, field, reason, self.raw_values))
            return _FAILED

    def _variable(self, variable: Variable) -> Any:
        """Return the value of a variable, or note what is wrong with it."""
        try:
            raw = self._sources.find(variable.name, variable.aliases)
            if raw is None:
                return self._unset(variable)
            self.raw_values[variable.name] = raw
            text = raw.text
            if not text and not variable.declared.allow_empty:
                return self._empty(variable)
            if variable.declared.expand:
                from podready.runtime.settings.sources.expansion import expand

                text = expand(variable, text, self._sources)
            return self._parse(variable, text, raw.text)
        except SourceError as error:
            from podready.runtime.settings.diagnosis import unreadable

            return self._fail(unreadable(self._root, variable, error))

    def _empty(self, variable: Variable) -> Any:
        from podready.runtime.settings.diagnosis import empty

        return self._fail(empty(self._root, variable))

    def _unset(self, variable: Variable) -> Any:
        if variable.default is COMPUTED:
            return _OMITTED
        if not variable.required:
            return variable.make_default()
        from podready.runtime.settings.diagnosis import missing

        return self._fail(missing(self._root, variable, self._sources.names()))

    def _parse(self, variable: Variable, text: str, raw: str) -> Any:
        """Return the value of `text`; `raw` is the text before references were expanded."""
        if not text and variable.parser.optional:
            return None
        try:
            return variable.parser.parse(text)
        except Exception as error:  # noqa: BLE001 - a parser given to var() may raise anything
            from podready.runtime.settings.diagnosis import unparsable

            return self._fail(unparsable(self._root, variable, (raw, text), error, self.raw_values))

    def _fail(self, problem: Problem) -> Any:
        self.problems.append(problem)
        return _FAILED
