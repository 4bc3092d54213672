"""What is wrong with an environment, as problems of a report; loaded only if something is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from podready.runtime.settings.app_errors import describe_error
from podready.runtime.settings.environment import SourceError
from podready.runtime.settings.report import (
    Problem,
    ProblemKind,
    mask_userinfo,
    quote,
)
from podready.runtime.settings.schema import Section, Variable
from podready.runtime.settings.secret import MASK
from podready.values.closest_match import closest_match
from podready.values.service_links import is_service_address, is_service_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podready.runtime.settings.environment import Environment, RawValue
    from podready.runtime.settings.sources import Sources

_SHORTEST_SECRET: Final = 4
"""Shorter ones are not looked for in messages: `a` would be in most of them."""


def describe(root: Section, variable: Variable, kind: ProblemKind, what: str) -> Problem:
    """Return a problem with what is expected and documented of its variable."""
    hidden = "(value hidden)" if variable.secret and kind != "missing" else ""
    notes = (variable.expected, _doc(root, variable), hidden)
    return Problem(variable.name, kind, what, " ".join(filter(None, notes)))


def _doc(root: Section, variable: Variable) -> str:
    if variable.declared.doc:
        return variable.declared.doc
    from podready.runtime.settings.documentation import docs_of

    return docs_of(root).get(variable.name, "")


def missing(root: Section, variable: Variable, names: Iterable[str]) -> Problem:
    """Report a required variable; of the set `names`, name the one that may be a typo of it."""
    known = root.names()
    typo = closest_match(variable.name, [name for name in names if name not in known])
    what = f"required; is {typo} a typo?" if typo else "required"
    return describe(root, variable, "missing", what)


def empty(root: Section, variable: Variable) -> Problem:
    """Report a variable that is set to nothing."""
    return describe(root, variable, "empty", "set but empty" + "; secret" * variable.secret)


def unreadable(root: Section, variable: Variable, error: SourceError) -> Problem:
    """Report a source that could not be read."""
    if error.name == variable.name:
        return describe(root, variable, "invalid", error.reason)
    return Problem(error.name, "invalid", error.reason)


def unparsable(
    root: Section,
    variable: Variable,
    texts: tuple[str, str],
    error: Exception,
    raw_values: Mapping[str, RawValue],
) -> Problem:
    """Report a text that is not a value of its type; `texts` are the raw one and the expanded one.

    A parser's error may repeat a part of the value in another form, so it is not shown for a
    secret by type or by name, nor for a text with references to other variables.
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
        reason = scrub(describe_error(error, "cannot be parsed"), root, raw_values)
    return describe(
        root, variable, "invalid", f"{quote(variable.name, shown, secret=False)} {reason}"
    )


def _service_link(variable: Variable) -> str:
    service = variable.name.removesuffix("_PORT").lower().replace("_", "-")
    return (
        f"is what Kubernetes says of a Service called {service}, not of type "
        f"{variable.parser.name}: set enableServiceLinks: false in the pod"
    )


def rejected(
    root: Section,
    section: Section,
    field: str,
    reason: str,
    raw_values: Mapping[str, RawValue],
) -> Problem:
    """Report why a class rejects the value of one field, or all its values for an empty field."""
    reason = scrub(reason, root, raw_values)
    for member in section.members:
        if isinstance(member, Variable) and member.field == field:
            reason = "is refused" if member.sensitive else reason
            raw = raw_values.get(member.name)
            shown = quote(member.name, raw.text, secret=member.secret) if raw else ""
            return describe(root, member, "invalid", f"{shown} {reason}".strip())
    return Problem(f"{section.prefix}*", "invalid", reason, section.kind.__name__)


def scrub(reason: str, root: Section, raw_values: Mapping[str, RawValue]) -> str:
    """Return a message of the app's own code without the secrets that it may repeat."""
    needles: set[str] = set()
    for variable in root.variables():
        raw = raw_values.get(variable.name)
        if raw and variable.sensitive:
            needles |= _forms(raw.text)
    for needle in sorted(needles, key=len, reverse=True):
        if len(needle) >= _SHORTEST_SECRET:
            reason = reason.replace(needle, MASK)
    return mask_userinfo(reason)


def _forms(secret: str) -> set[str]:
    """Return a secret and the parts that other code may show: a line, an item, a password."""
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
    """Return a problem for each of the names that looks like a known one."""
    problems = []
    for name in names:
        meant = None if _is_service_link(name, sources) else closest_match(name, known)
        if meant:
            problems.append(Problem(name, "unknown", f"did you mean {meant}?"))
    return problems


def _is_service_link(name: str, sources: Environment | Sources) -> bool:
    try:
        raw = sources.find(name)
    except SourceError:
        return False
    return raw is not None and is_service_link(name, raw.text)
