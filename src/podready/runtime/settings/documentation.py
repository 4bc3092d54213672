"""What the source of a class says about its fields: docstrings and comments.

Loaded only by `podready settings` and by reports of what is wrong.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import textwrap
import tokenize
from functools import cache
from typing import Any, Final

from podready.runtime.settings.schema import Section, Variable

_FOR_TOOLS: Final = re.compile(r"#\s*(type:|noqa|pragma|pylint|mypy|pyright|ruff|fmt:)")
_WITHOUT_FIELDS: Final = {
    "builtins",
    "typing",
    "podready",
    "pydantic",
    "pydantic_settings",
    "msgspec",
}
"""Packages of base classes that have no variables."""


def docs_of(root: Section) -> dict[str, str]:
    """Return the documentation of each variable, by its name, where there is one."""
    docs: dict[str, str] = {}
    for section in root.sections():
        by_field = field_docs(section.kind)
        for member in section.members:
            if isinstance(member, Variable):
                text = member.declared.doc or by_field.get(member.attribute, "")
                docs |= {member.name: " ".join(text.split())} if text else {}
    return docs


@cache
def field_docs(kind: Any) -> dict[str, str]:
    """Return the text of each field: the docstring below it, or the comment beside or above it."""
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] not in _WITHOUT_FIELDS:
            docs |= _docs_in(base)
    return docs


def _docs_in(kind: Any) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
        node = ast.parse(source).body[0]
        comments = _comments(source)
    except (OSError, TypeError, SyntaxError, ValueError, IndexError, tokenize.TokenError):
        return {}  # made in an interpreter, by exec, or from bytecode alone
    if not isinstance(node, ast.ClassDef):
        return {}
    below = [*node.body[1:], None]
    pairs = zip(node.body, below, strict=True)
    docs = {
        field.target.id: _docstring(after) or _comment(field, comments, source.splitlines())
        for field, after in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    return {name: " ".join(text.split()) for name, text in docs.items() if text}


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else ""
    return ""


def _comments(source: str) -> dict[int, str]:
    """Return the comments by line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}


def _comment(node: ast.AnnAssign, comments: dict[int, str], lines: list[str]) -> str:
    beside = _text(comments.get(node.end_lineno or node.lineno, ""))
    if beside:
        return beside
    above: list[str] = []
    number = node.lineno - 1
    while number in comments and lines[number - 1].lstrip().startswith("#"):
        above.insert(0, _text(comments[number]))
        number -= 1
    return " ".join(above)


def _text(comment: str) -> str:
    return "" if _FOR_TOOLS.match(comment) else comment.lstrip("#: ").rstrip()
