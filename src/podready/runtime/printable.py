"""Text in which nothing can drive a terminal: control characters are spelt out."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` with every character that is not printable as its escape sequence."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
