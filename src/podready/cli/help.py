"""The one style of help pages and of usage mistakes, for `podready run` and for click commands."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH: Final = 96
"""Columns, so that a page stays below 100 in a document too."""

_INDENT: Final = 2
_MAX_COLUMN: Final = 34
"""Where the texts begin at most; a longer left side has a line of its own."""

_DEFAULT: Final = re.compile(r"\[[^\]]{1,24}\]$")
"""What stays on one line."""

_HARD_SPACE: Final = "\N{NO-BREAK SPACE}"

Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class HelpPage:
    """What a help page says; `groups` are headings with rows of an option and its text."""

    usage: str
    description: str
    groups: Sequence[tuple[str, Sequence[Row]]]
    examples: Sequence[str] = ()
    note: str = ""
    exit_codes: Sequence[Row] = ()

    def render(self) -> str:
        """Return the page as text."""
        parts = [f"usage: {self.usage}", *_paragraphs(self.description)]
        if self.examples:
            parts.append(_block("examples", (f"  {example}" for example in self.examples)))
        if self.note:
            parts += _paragraphs(self.note)
        column = _column_of([row for _, rows in self.groups for row in rows])
        parts += [_rows_block(heading, rows, column) for heading, rows in self.groups]
        if self.exit_codes:
            parts.append(_rows_block("exit codes", self.exit_codes, _column_of(self.exit_codes)))
        return "\n\n".join(parts)


def _column_of(rows: Sequence[Row]) -> int:
    """Return where the texts of `rows` begin."""
    widest = max((len(left) for left, _ in rows), default=0)
    return min(_MAX_COLUMN, widest + 2 * _INDENT)


def _rows_block(heading: str, rows: Iterable[Row], column: int) -> str:
    return _block(heading, (_render_row(row, column) for row in rows))


def _render_row(row: Row, column: int) -> str:
    """Return one row: the left side, and the text in lines of its own column."""
    left, text = row
    kept = _DEFAULT.sub(lambda found: found[0].replace(" ", _HARD_SPACE), text)
    lines = textwrap.wrap(kept, WIDTH - column, break_long_words=False, break_on_hyphens=False)
    lines = [line.replace(_HARD_SPACE, " ") for line in lines]
    head = " " * _INDENT + left
    if len(head) < column - 1 and lines:
        head = head.ljust(column) + lines.pop(0)
    return "\n".join([head, *(" " * column + line for line in lines)])


def _block(heading: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{heading}:", *lines])


def _paragraphs(text: str) -> list[str]:
    return [textwrap.fill(" ".join(part.split()), WIDTH) for part in text.split("\n\n") if part]
