"""The name that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_EDITS: Final = ((2, 0), (5, 1), (10, 2))
"""Up to so many letters, so many may be wrong; in longer ones three."""


def closest_match(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, None if there is none.

    Case does not matter, nor whether words are divided by `_` or by `-`. Only the words that
    differ are compared: SHOP_DEPLOYMENT_ID is far from SHOP_DEPLOYMENT_NAME, however much the two
    have in common.
    """
    words = _words(name)
    matches: list[tuple[int, str]] = []
    for candidate in known:
        left, right = _differing(words, _words(candidate))
        longer = max(len(left), len(right))
        allowed = next((edits for letters, edits in _EDITS if longer <= letters), 3)
        if abs(len(left) - len(right)) <= allowed:
            edits = _edits(left, right)
            matches += [(edits, candidate)] if edits <= allowed else []
    return min(matches)[1] if matches else None


def _words(name: str) -> list[str]:
    return name.upper().replace("-", "_").split("_")


def _differing(left: list[str], right: list[str]) -> tuple[str, str]:
    """Return what is left of two names without the words that they begin and end with."""
    while left and right and left[0] == right[0]:
        left, right = left[1:], right[1:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return "_".join(left), "_".join(right)


def _edits(left: str, right: str) -> int:
    """Count the letters to add, drop, replace or swap with the next (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]
