"""From the environment to an instance of a settings class, or to all problems at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.settings.schema import Refused, Section, Variable
from podready.runtime.settings.variable import COMPUTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from podready.runtime.settings.report import Problem
    from podready.runtime.settings.sources import Sources
    from podready.runtime.settings.variable import Options

FILE_SUFFIX: Final = "_FILE"
"""`NAME_FILE` holds the path of a file with the value, as for mounted Secrets."""

ENVIRONMENT: Final = "environment"

_FAILED: Final = object()
_LEFT_OUT: Final = object()


class Given:
    """A text that was found, and where, in words for people."""

    __slots__ = ("source", "text")

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source


class UnusableError(Exception):
    """A variable was found but cannot be read: its name, and what is wrong."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(name, what)
        self.name, self.what = name, what


class Environment:
    """A mapping of names to texts: the process's environment, or the entries of a `.env`."""

    def __init__(
        self, values: Mapping[str, str], declared: set[str], source: str = ENVIRONMENT
    ) -> None:
        self.values, self._source = values, source
        self._declared = declared  # a variable of its own that ends in _FILE is no path to another
        self.problems: Sequence[Problem] = ()

    def find(self, name: str, aliases: tuple[str, ...] = ()) -> Given | None:
        """Return what the first of the names has; UnusableError if it cannot be read."""
        for each in (name, *aliases) if aliases else (name,):
            found = self._value(each)
            if found is not None:
                return found
        return None

    def _value(self, name: str) -> Given | None:
        """Return NAME, or what is in the file of NAME_FILE."""
        text = self.values.get(name)
        file_name = name + FILE_SUFFIX
        path = self.values.get(file_name)
        if path is None or file_name in self._declared:
            return None if text is None else Given(text, self._source)
        if text is not None:
            raise UnusableError(name, f"both {name} and {file_name} are set")
        if not path:
            raise UnusableError(file_name, "set but empty")
        from podready.runtime.settings.files import read_text

        return Given(read_text(path, file_name), f"file {path}")

    def names(self) -> Iterable[str]:
        """Return the names that are set."""
        return self.values


class Reading:
    """What came of reading a class: the instance or the problems, and where each text was."""

    def __init__(self, value: Any, problems: list[Problem], found: dict[str, Given]) -> None:
        self.value, self.problems, self.found = value, problems, found


def read(
    root: Section, options: Options, environ: Mapping[str, str], *, desk: bool = False
) -> Reading:
    """Read a class from `environ` and its files; `desk` allows its `.env` outside Kubernetes."""
    names = root.names()
    sources: Environment | Sources = Environment(environ, names)
    if options.directories or options.env_file:
        from podready.runtime.settings.sources import open_sources

        sources = open_sources(options, names, environ, desk=desk)
    reader = Reader(root, sources)
    value = reader.section(root)
    problems = [*sources.problems, *reader.problems]
    if options.prefix and options.unknown == "error":
        problems += unknown_variables(names, sources, options.prefix)
    return Reading(None if problems else value, problems, reader.found)


def unknown_variables(
    names: set[str], sources: Environment | Sources, prefix: str
) -> list[Problem]:
    """Return the variables with our prefix, in any case, that look like a misspelt one of ours."""
    begin = prefix.upper()
    strange = {n for n in sources.names() if n.upper().startswith(begin) and n not in names}
    if not strange:
        return []
    from podready.runtime.settings.diagnosis import misspelt

    known = names | {name + FILE_SUFFIX for name in names}
    return misspelt(sorted(strange - known), known, sources)


class Reader:
    """One pass over a tree of variables that keeps every problem it meets."""

    def __init__(self, root: Section, sources: Environment | Sources) -> None:
        self._root, self._sources = root, sources
        self.problems: list[Problem] = []
        self.found: dict[str, Given] = {}

    def section(self, section: Section) -> Any:
        """Return the instance of a section."""
        before = len(self.problems)
        values = {}
        for member in section.members:
            read = self._variable if isinstance(member, Variable) else self._section
            value = read(member)  # type: ignore[arg-type]  # each gets its own kind
            if value is not _LEFT_OUT:
                values[member.field] = value
        return self._made(section, values) if len(self.problems) == before else _FAILED

    def _section(self, section: Section) -> Any:
        if section.default is None and not self._any_given(section):
            return None
        return self.section(section)

    def _any_given(self, section: Section) -> bool:
        try:
            return any(
                self._sources.find(variable.name, variable.aliases)
                for variable in section.variables()
            )
        except UnusableError:
            return True

    def _made(self, section: Section, values: dict[str, Any]) -> Any:
        try:
            return section.dialect.make(section.kind, values)
        except Exception as error:  # noqa: BLE001 - the app's own checks may raise anything
            from podready.runtime.settings.diagnosis import refusal, said_by

            whole = [("", said_by(error, "cannot be made"))]
            for reason in error.reasons if isinstance(error, Refused) else whole:
                self._fail(refusal(self._root, section, reason, self.found))
            return _FAILED

    def _variable(self, variable: Variable) -> Any:
        """Return the value of a variable, or note what is wrong with it."""
        try:
            given = self._sources.find(variable.name, variable.aliases)
            if given is None:
                return self._absent(variable)
            self.found[variable.name] = given
            text = given.text
            if not text and not variable.declared.allow_empty:
                return self._empty(variable)
            if variable.declared.expand:
                from podready.runtime.settings.expansion import expand

                text = expand(variable, text, self._sources)
            return self._parsed(variable, text, given.text)
        except UnusableError as error:
            from podready.runtime.settings.diagnosis import unusable

            return self._fail(unusable(self._root, variable, error))

    def _empty(self, variable: Variable) -> Any:
        from podready.runtime.settings.diagnosis import empty

        return self._fail(empty(self._root, variable))

    def _absent(self, variable: Variable) -> Any:
        if variable.default is COMPUTED:
            return _LEFT_OUT
        if not variable.required:
            return variable.fresh_default()
        from podready.runtime.settings.diagnosis import missing

        return self._fail(missing(self._root, variable, self._sources.names()))

    def _parsed(self, variable: Variable, text: str, shown: str) -> Any:
        """Return the value of `text`; `shown` is what was given, before it was expanded."""
        if not text and variable.parser.optional:
            return None
        try:
            return variable.parser.parse(text)
        except Exception as error:  # noqa: BLE001 - a parser given to var() may raise anything
            from podready.runtime.settings.diagnosis import unparsable

            texts = (shown, text)
            return self._fail(unparsable(self._root, variable, texts, error, self.found))

    def _fail(self, problem: Problem) -> Any:
        self.problems.append(problem)
        return _FAILED
