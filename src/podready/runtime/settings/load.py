"""From an environment to the values of a settings class, or to the list of all problems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.settings.report import Problem, near_miss, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podready.runtime.settings.schema import Variable

FILE_SUFFIX: Final = "_FILE"
"""`NAME_FILE` holds the path of a file with the value, as for mounted Secrets."""

_SERVICE_LINK: Final = (
    r".+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""Variables that the kubelet adds for every Service of the namespace (enableServiceLinks)."""


def read_values(
    variables: Sequence[Variable], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values by field name, and everything that is wrong, in the order of the fields."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    names = {variable.name for variable in variables}
    for variable in variables:
        found = _read(variable, environ, names)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            values[variable.field] = found[0]
    return values, problems


def unknown_variables(
    variables: Sequence[Variable], environ: Mapping[str, str], prefix: str
) -> list[Problem]:
    """Return the variables with our prefix that look like a misspelt one of ours."""
    names = {variable.name for variable in variables}
    known = names | {name + FILE_SUFFIX for name in names}
    problems = []
    for name in sorted(environ):
        if not name.startswith(prefix) or name in known or re.fullmatch(_SERVICE_LINK, name):
            continue
        meant = near_miss(name, known)
        if meant:
            problems.append(Problem(name, "unknown", f"did you mean {meant}?"))
    return problems


def _read(variable: Variable, environ: Mapping[str, str], names: set[str]) -> tuple[Any] | Problem:
    """Return the value in a tuple of one, or the problem with it."""
    text = _text(variable, environ)
    if isinstance(text, Problem):
        return text
    if text is None:
        if variable.required:
            return _missing(variable, environ, names)
        return (variable.fresh_default(),)
    if not text and not variable.declared.allow_empty:
        return _problem(variable, "empty", "set but empty" + "; secret" * variable.secret)
    return _parsed(variable, text)


def _text(variable: Variable, environ: Mapping[str, str]) -> str | Problem | None:
    """Return the text of a variable from the environment or its file; None when it is not set."""
    file_name = variable.name + FILE_SUFFIX
    path = environ.get(file_name)
    if path is None:
        return environ.get(variable.name)
    if variable.name in environ:
        return _problem(variable, "invalid", f"both {variable.name} and {file_name} are set")
    try:
        with open(path, encoding="utf-8", newline="") as file:  # pathlib costs 4 ms at start
            text = file.read()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Problem(file_name, "invalid", f"cannot read {json_path(path)}: {reason}")
    except ValueError:  # bytes that are not UTF-8, or a path with a null character
        return Problem(file_name, "invalid", f"{json_path(path)} is not a text file")
    return text.removesuffix("\n").removesuffix("\r")


def json_path(path: str) -> str:
    """Return a path as it may be shown."""
    return quote("", path, secret=False)


def _parsed(variable: Variable, text: str) -> tuple[Any] | Problem:
    if not text and variable.parser.optional:
        return (None,)
    try:
        return (variable.parser.parse(text),)
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a parser given to var() may raise anything
        reason = f"cannot be parsed ({type(error).__name__})"
    if variable.secret:
        return _problem(variable, "invalid", f"is not a valid {variable.parser.name}")
    shown = quote(variable.name, text, secret=False)
    return _problem(variable, "invalid", f"{shown} {reason}")


def _missing(variable: Variable, environ: Mapping[str, str], names: set[str]) -> Problem:
    """Report a required variable; name the one that was perhaps meant to be it."""
    others = [name for name in environ if name not in names]
    typo = near_miss(variable.name, others)
    return _problem(variable, "missing", f"required; is {typo} a typo?" if typo else "required")


def _problem(variable: Variable, kind: Any, what: str) -> Problem:
    hidden = "(value hidden)" if variable.secret and kind != "missing" else ""
    notes = (variable.expected, variable.declared.doc, hidden)
    return Problem(variable.name, kind, what, " ".join(filter(None, notes)))
