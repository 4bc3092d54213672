"""`.env` files: the environment of a developer's machine, never of a pod.

The format is what python-dotenv and Docker Compose agree on: `NAME=value`, `export NAME=value`,
`# comments`, 'single quotes' without escapes, and "double quotes" with them; quoted values may
span lines. Nothing is expanded here.
"""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from podready.runtime.settings.environment import SourceError, read_text
from podready.runtime.settings.report import Problem

_ENTRY: Final = re.compile(
    r"""
    [^\S\n]* (?:export[^\S\n]+)? (?P<name>[A-Za-z_][\w.\-]*) [^\S\n]* = [^\S\n]*
    (?:
        '(?P<single>(?:\\['\\]|[^'])*)' (?P<after1>[^\S\n]*(?:\#[^\n]*)?)
      | "(?P<double>(?:\\.|[^"\\])*)" (?P<after2>[^\S\n]*(?:\#[^\n]*)?)
      | (?P<bare>[^\n]*)
    )
    (?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_BLANK: Final = re.compile(r"[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)")
_COMMENT: Final = re.compile(r"\s+#.*|^#.*")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "$": "$"}


class Line(NamedTuple):
    """One entry of a file, and the line it begins on, from 1."""

    name: str
    text: str
    number: int


class NotDotenvError(ValueError):
    """A line that is not an entry; `number` is its line, from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(f"line {number} is not NAME=value")
        self.number = number


def parse_dotenv(text: str) -> list[Line]:
    """Return the entries of a file; NotDotenvError for the first line that is not one."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines: list[Line] = []
    position = 0
    while position < len(text):
        blank = _BLANK.match(text, position)
        entry = blank or _ENTRY.match(text, position)
        number = text.count("\n", 0, position) + 1
        if entry is None:
            raise NotDotenvError(number)
        if blank is None:
            lines.append(Line(entry["name"], _value(entry, number), number))
        position = entry.end()
    return lines


def _value(entry: re.Match[str], number: int) -> str:
    if entry["single"] is not None:
        return re.sub(r"\\(['\\])", r"\1", entry["single"])
    if entry["double"] is not None:
        return re.sub(r"\\(.)", _unescaped, entry["double"], flags=re.DOTALL)
    bare = _COMMENT.sub("", entry["bare"]).strip()
    if bare.startswith(("'", '"')):  # a quote that does not end, or goes on after its end
        raise NotDotenvError(number)
    return bare


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])


def read_dotenv(path: str) -> tuple[dict[str, str], list[Problem]]:
    """Return the entries of a file, which may be missing, and the problems in it."""
    if not os.path.isfile(path):  # noqa: PTH113 - no pathlib in a start
        return {}, []
    try:
        lines = parse_dotenv(read_text(path, path, strip=False))
    except NotDotenvError as error:
        return {}, [Problem(f"{path}:{error.number}", "invalid", "is not NAME=value")]
    except SourceError as error:
        return {}, [Problem(error.name, "invalid", error.reason)]
    return {line.name: line.text for line in lines}, []
