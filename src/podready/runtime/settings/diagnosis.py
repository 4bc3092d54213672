"""What is wrong with an environment, in words for people; a good start never comes here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.settings.load import UnusableError
from podready.runtime.settings.report import (
    Kind,
    Problem,
    mask_userinfo,
    quote,
)
from podready.runtime.settings.schema import Section, Variable
from podready.runtime.settings.secret import MASK
from podready.values.closest_match import closest_match
from podready.values.service_links import is_service_address, is_service_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podready.runtime.settings.load import Environment, Given
    from podready.runtime.settings.parsers import Parser
    from podready.runtime.settings.schema import Field
    from podready.runtime.settings.sources import Sources

_SHORTEST_SECRET: Final = 4
"""Shorter ones are not looked for in other people's sentences: `a` would be in most of them."""


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


def missing(root: Section, variable: Variable, given: Iterable[str]) -> Problem:
    """Report a required variable; name the one that was perhaps meant to be it."""
    ours = root.names()
    typo = closest_match(variable.name, [name for name in given if name not in ours])
    what = f"required; is {typo} a typo?" if typo else "required"
    return describe(root, variable, "missing", what)


def empty(root: Section, variable: Variable) -> Problem:
    """Report a variable that is set to nothing."""
    return describe(root, variable, "empty", "set but empty" + "; secret" * variable.secret)


def unusable(root: Section, variable: Variable, error: UnusableError) -> Problem:
    """Report a place that could not be read."""
    if error.name == variable.name:
        return describe(root, variable, "invalid", error.what)
    return Problem(error.name, "invalid", error.what)


def unparsable(
    root: Section,
    variable: Variable,
    texts: tuple[str, str],
    error: Exception,
    found: Mapping[str, Given],
) -> Problem:
    """Report a text that is no value; `texts` are the one that was given and it expanded.

    What a parser says may repeat a part of the value, in some other form: of a secret by type or
    by name, and of a text into which other variables came, it is not shown.
    """
    valid = f"is not a valid {variable.parser.name}"
    if variable.secret:
        return describe(root, variable, "invalid", valid)
    shown, text = texts
    if is_service_address(text) and variable.name.endswith("_PORT"):
        reason = _service_link(variable)
    elif text != shown:
        reason = f"{valid}, once its references are replaced"
    elif variable.sensitive:
        reason = valid
    else:
        reason = scrub(said_by(error, "cannot be parsed"), root, found)
    return describe(
        root, variable, "invalid", f"{quote(variable.name, shown, secret=False)} {reason}"
    )


def said_by(error: Exception, otherwise: str) -> str:
    """Return the sentence of an app's own code, or that and where it failed.

    Only ValueError and AssertionError are raised to be read; the text of others may be anything.
    """
    if isinstance(error, ValueError | AssertionError) and str(error):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{otherwise} ({type(error).__name__}{place})"


def bad_default(kind: Any, field: Field, parser: Parser, error: Exception) -> str:
    """Return what to tell the author of a class whose default is refused by its own type."""
    default = "" if parser.secret else f" {field.declared.default!r}"
    reason = "is not a valid secret" if parser.secret else said_by(error, "cannot be parsed")
    return f"{kind.__name__}.{field.attribute}: the default{default} {reason}"


def _service_link(variable: Variable) -> str:
    service = variable.name.removesuffix("_PORT").lower().replace("_", "-")
    return (
        f"is what Kubernetes says of a Service called {service}, not of type "
        f"{variable.parser.name}: set enableServiceLinks: false in the pod"
    )


def refusal(
    root: Section, section: Section, reason: tuple[str, str], found: Mapping[str, Given]
) -> Problem:
    """Report what a class said of the value of one field, or of all its values."""
    field, said = reason
    said = scrub(said, root, found)
    for member in section.members:
        if isinstance(member, Variable) and member.field == field:
            said = "is refused" if member.sensitive else said
            given = found.get(member.name)
            shown = quote(member.name, given.text, secret=member.secret) if given else ""
            return describe(root, member, "invalid", f"{shown} {said}".strip())
    return Problem(f"{section.stem}*", "invalid", said, section.kind.__name__)


def scrub(reason: str, root: Section, found: Mapping[str, Given]) -> str:
    """Return what somebody else's code said, without the secrets that it may have repeated."""
    needles: set[str] = set()
    for variable in root.variables():
        given = found.get(variable.name)
        if given and variable.sensitive:
            needles |= _forms(given.text)
    for needle in sorted(needles, key=len, reverse=True):
        if len(needle) >= _SHORTEST_SECRET:
            reason = reason.replace(needle, MASK)
    return mask_userinfo(reason)


def _forms(secret: str) -> set[str]:
    """Return a secret, and what of it other code may show: a line, an item, a URL's password."""
    _, sign, rest = secret.partition("://")
    userinfo = rest.rpartition("@")[0] if sign else ""
    parts = {secret, *secret.splitlines(), *userinfo.split(":", 1)}
    parts |= {item for part in re.split(r"[,;]", secret) for item in part.split("=", 1)[1:]}
    parts |= set(re.split(r"[,;]", secret))
    parts |= {part.strip() for part in parts}
    return parts | {repr(part)[1:-1] for part in parts}


def misspelt(
    names: Iterable[str], known: set[str], sources: Environment | Sources
) -> list[Problem]:
    """Return those of the names that look like one of ours."""
    problems = []
    for name in names:
        meant = None if _is_service_link(name, sources) else closest_match(name, known)
        if meant:
            problems.append(Problem(name, "unknown", f"did you mean {meant}?"))
    return problems


def _is_service_link(name: str, sources: Environment | Sources) -> bool:
    try:
        given = sources.find(name)
    except UnusableError:
        return False
    return given is not None and is_service_link(name, given.text)
