"""Everything that is wrong with the environment, in one aligned report without a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from podready.runtime.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

ProblemKind = Literal["missing", "empty", "invalid", "unknown"]

_SENSITIVE: Final = (
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "DSN",
)
_SENSITIVE_WORDS: Final = frozenset({"PASS", "PWD"})
"""Only as a word between underscores: BYPASS is not sensitive."""

_WIDEST: Final = 60


class Problem(NamedTuple):
    """One variable that cannot be used: what is wrong with it, and what is expected."""

    name: str
    kind: ProblemKind
    what: str
    note: str = ""


def render_report(problems: Sequence[Problem], prefix: str) -> str:
    """Return the report: a title, then a line for each problem in aligned columns."""
    problems = [_printable(problem) for problem in problems]
    count = len(problems)
    title = f"settings: {count} problem{'s' if count != 1 else ''}"
    lines = [f"{title} ({prefix}*)" if prefix else title]
    name = max(len(problem.name) for problem in problems)
    what = min(max(len(problem.what) for problem in problems), _WIDEST)
    lines += [
        f"  {p.name:<{name}}  {p.kind:<7}  {p.what:<{what}}  {p.note}".rstrip() for p in problems
    ]
    return "\n".join(lines)


def _printable(problem: Problem) -> Problem:
    """Return the problem without characters that could drive a terminal."""
    return problem._replace(
        name=printable(problem.name),
        what=printable(problem.what),
        note=printable(" ".join(problem.note.split())),
    )


def quote(name: str, value: str, *, secret: bool) -> str:
    """Return a value as it may be shown: hidden if its type or name is secret, else shortened."""
    if secret or is_sensitive_name(name):
        return "(value hidden)"
    value = mask_userinfo(value)
    return f'"{value if len(value) <= 40 else value[:37] + "..."}"'


def is_sensitive_name(name: str) -> bool:
    """Say whether a variable's name suggests that its value is a secret."""
    upper = name.upper()
    if any(word in upper for word in _SENSITIVE):
        return True
    return not _SENSITIVE_WORDS.isdisjoint(upper.split("_"))


def mask_userinfo(text: str) -> str:
    """Return the text without the user and password of a URL in it, up to the last @."""
    before, sign, rest = text.partition("://")
    userinfo, at, host = rest.rpartition("@")
    return f"{before}{sign}***@{host}" if sign and at and userinfo else text
