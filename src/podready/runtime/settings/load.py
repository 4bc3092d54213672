"""From the places of its texts to an instance of a settings class, or to all problems at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from podready.runtime.settings.dialect import Refused
from podready.runtime.settings.report import Kind, Problem, mask_userinfo, near_miss, quote
from podready.runtime.settings.schema import Section, Variable
from podready.runtime.settings.secret import MASK
from podready.runtime.settings.sources import (
    FILE_SUFFIX,
    Given,
    Sources,
    UnusableError,
    open_sources,
)
from podready.runtime.settings.variable import COMPUTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podready.runtime.settings.options import Options

SERVICE_LINK: Final = (
    r".+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""Variables that the kubelet adds for every Service of the namespace (enableServiceLinks)."""

_LINK_VALUE: Final = re.compile(r"(tcp|udp|sctp)://")
_SHORTEST_SECRET: Final = 4
"""Shorter ones are not looked for in other people's sentences: `a` would be in most of them."""

_FAILED: Final = object()
_LEFT_OUT: Final = object()


class Reading(NamedTuple):
    """What came of reading a class: the instance or the problems, and where each text was."""

    value: Any
    problems: list[Problem]
    found: dict[str, Given]


def read(
    root: Section, options: Options, environ: Mapping[str, str], *, desk: bool = False
) -> Reading:
    """Read a class from `environ` and its files; `desk` allows its `.env` outside Kubernetes."""
    names = root.names()
    sources = open_sources(options, names, environ, desk=desk)
    reader = Reader(root, sources)
    value = reader.section(root)
    problems = [*sources.problems, *reader.problems]
    if options.prefix and options.unknown == "error":
        problems += unknown_variables(names, sources.set_names(), options.prefix)
    return Reading(None if problems else value, problems, reader.found)


def unknown_variables(names: set[str], given: Iterable[str], prefix: str) -> list[Problem]:
    """Return the variables with our prefix that look like a misspelt one of ours."""
    known = names | {name + FILE_SUFFIX for name in names}
    problems = []
    for name in given:
        if not name.startswith(prefix) or name in known or re.fullmatch(SERVICE_LINK, name):
            continue
        meant = near_miss(name, known)
        if meant:
            problems.append(Problem(name, "unknown", f"did you mean {meant}?"))
    return problems


class Reader:
    """One pass over a tree of variables that keeps every problem it meets."""

    def __init__(self, root: Section, sources: Sources) -> None:
        self._root, self._sources = root, sources
        self.problems: list[Problem] = []
        self.found: dict[str, Given] = {}

    def section(self, section: Section) -> Any:
        """Return the instance of a section."""
        before = len(self.problems)
        values = {}
        for member in section.members:
            value = self._member(member)
            if value is not _LEFT_OUT:
                values[member.field] = value
        return self._made(section, values) if len(self.problems) == before else _FAILED

    def _member(self, member: Section | Variable) -> Any:
        if isinstance(member, Variable):
            return self._variable(member)
        if member.default is None and not self._any_given(member):
            return None
        return self.section(member)

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
        except Refused as refused:
            for field, reason in refused.reasons:
                self.problems.append(self._refusal(section, field, reason))
            return _FAILED

    def _refusal(self, section: Section, field: str, reason: str) -> Problem:
        for member in section.members:
            if isinstance(member, Variable) and member.field == field:
                reason = self._scrub(reason)
                shown = self._shown(member)
                return self._problem(member, "invalid", f"{shown} {reason}".strip())
        return Problem(f"{section.stem}*", "invalid", self._scrub(reason), section.kind.__name__)

    def _shown(self, variable: Variable) -> str:
        given = self.found.get(variable.name)
        return quote(variable.name, given.text, secret=False) if given else ""

    def _variable(self, variable: Variable) -> Any:
        """Return the value of a variable, or note what is wrong with it."""
        try:
            given = self._sources.find(variable.name, variable.aliases)
            if given is None:
                return self._absent(variable)
            self.found[variable.name] = given
            if not given.text and not variable.declared.allow_empty:
                what = "set but empty" + "; secret" * variable.secret
                return self._fail(self._problem(variable, "empty", what))
            text = given.text
            if variable.declared.expand:
                text = self._sources.expand(variable.name, text)
            return self._parsed(variable, text, given.text)
        except UnusableError as error:
            return self._fail(self._unusable(variable, error))

    def _unusable(self, variable: Variable, error: UnusableError) -> Problem:
        if error.name == variable.name:
            return self._problem(variable, "invalid", error.what)
        return Problem(error.name, "invalid", error.what)

    def _absent(self, variable: Variable) -> Any:
        if variable.default is COMPUTED:
            return _LEFT_OUT
        if not variable.required:
            return variable.fresh_default()
        others = [name for name in self._sources.names() if name not in self._root.names()]
        typo = near_miss(variable.name, others)
        what = f"required; is {typo} a typo?" if typo else "required"
        return self._fail(self._problem(variable, "missing", what))

    def _parsed(self, variable: Variable, text: str, shown: str) -> Any:
        """Return the value of `text`; `shown` is what was given, before it was expanded."""
        if not text and variable.parser.optional:
            return None
        try:
            return variable.parser.parse(text)
        except ValueError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - a parser given to var() may raise anything
            reason = f"cannot be parsed ({type(error).__name__})"
        if variable.secret:
            what = f"is not a valid {variable.parser.name}"
        else:
            if _LINK_VALUE.match(text) and variable.name.endswith("_PORT"):
                reason = _service_link(variable)
            reason = self._scrub(reason.replace(text, shown) if text else reason)
            what = f"{quote(variable.name, shown, secret=False)} {reason}"
        return self._fail(self._problem(variable, "invalid", what))

    def _fail(self, problem: Problem) -> Any:
        self.problems.append(problem)
        return _FAILED

    def _problem(self, variable: Variable, kind: Kind, what: str) -> Problem:
        return describe(self._root, variable, kind, what)

    def _scrub(self, reason: str) -> str:
        return scrub(reason, self._root, self.found)


def scrub(reason: str, root: Section, found: Mapping[str, Given]) -> str:
    """Return what somebody else's code said, without the secrets that it may have repeated."""
    for variable in root.variables():
        given = found.get(variable.name)
        if given and len(given.text) >= _SHORTEST_SECRET and variable.sensitive:
            reason = reason.replace(given.text, MASK)
    return mask_userinfo(reason)


def describe(root: Section, variable: Variable, kind: Kind, what: str) -> Problem:
    """Return a problem with what is expected and documented of its variable."""
    hidden = "(value hidden)" if variable.secret and kind != "missing" else ""
    notes = (variable.expected, _doc(root, variable), hidden)
    return Problem(variable.name, kind, what, " ".join(filter(None, notes)))


def _doc(root: Section, variable: Variable) -> str:
    if variable.declared.doc:
        return variable.declared.doc
    from podready.runtime.settings.documentation import docs_of

    return docs_of(root).get(variable.name, "")


def _service_link(variable: Variable) -> str:
    service = variable.name.removesuffix("_PORT").lower().replace("_", "-")
    return (
        f"is what Kubernetes says of a Service called {service}, not of type "
        f"{variable.parser.name}: set enableServiceLinks: false in the pod"
    )
