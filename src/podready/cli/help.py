"""The one style of help pages and of usage mistakes, for `podready run` and for click commands."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH: Final = 96
"""Columns, so that a page stays below 100 in a document too."""

_INDENT: Final = 2
_COLUMN: Final = 34
"""Where the texts begin; a longer left side has a line of its own."""

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
        parts += [_block(heading, map(render_row, rows)) for heading, rows in self.groups]
        if self.exit_codes:
            rows = (render_row(row, column=8) for row in self.exit_codes)
            parts.append(_block("exit codes", rows))
        return "\n\n".join(parts)


def render_row(row: Row, column: int = _COLUMN) -> str:
    """Return one row: the left side, and the text in lines of its own column."""
    left, text = row
    lines = textwrap.wrap(text, WIDTH - column, break_long_words=False, break_on_hyphens=False)
    head = " " * _INDENT + left
    if len(head) < column - 1 and lines:
        head = head.ljust(column) + lines.pop(0)
    return "\n".join([head, *(" " * column + line for line in lines)])


def _block(heading: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{heading}:", *lines])


def _paragraphs(text: str) -> list[str]:
    return [textwrap.fill(" ".join(part.split()), WIDTH) for part in text.split("\n\n") if part]
