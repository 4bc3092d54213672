"""The name that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_EDITS: Final = ((2, 0), (5, 1), (10, 2))
"""Up to so many letters, so many may be wrong; in longer ones three."""


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be; its case does not matter.

    Only the words that differ are compared: SHOP_DEPLOYMENT_ID is far from SHOP_DEPLOYMENT_NAME,
    however much the two have in common.
    """
    found: list[tuple[int, str]] = []
    for each in known:
        ours, theirs = _differing(name.upper().split("_"), each.upper().split("_"))
        longer = max(len(ours), len(theirs))
        allowed = next((edits for letters, edits in _EDITS if longer <= letters), 3)
        if abs(len(ours) - len(theirs)) <= allowed:
            edits = _edits(ours, theirs)
            found += [(edits, each)] if edits <= allowed else []
    return min(found)[1] if found else None


def _differing(ours: list[str], theirs: list[str]) -> tuple[str, str]:
    """Return what is left of two names without the words that they begin and end with."""
    while ours and theirs and ours[0] == theirs[0]:
        ours, theirs = ours[1:], theirs[1:]
    while ours and theirs and ours[-1] == theirs[-1]:
        ours, theirs = ours[:-1], theirs[:-1]
    return "_".join(ours), "_".join(theirs)


def _edits(ours: str, theirs: str) -> int:
    """Count the letters to add, drop, replace or swap with the next (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(theirs) + 1))
    for i, left in enumerate(ours, 1):
        row = [i]
        for j, right in enumerate(theirs, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (left != right))
            if i > 1 and j > 1 and left == theirs[j - 2] and ours[i - 2] == right:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]
