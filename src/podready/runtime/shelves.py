"""The cells of all workers as one: sums over the living, with what the dead have left."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING

from podready.runtime.histogram import Exemplar
from podready.runtime.metrics import Family
from podready.runtime.shelf import Counts, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterable

Totals = dict[Family, dict[str, Counts]]
"""Values by family and label text."""

Exemplars = dict[Family, dict[str, dict[int, Exemplar]]]
"""Exemplars by family, label text and bucket."""


class Shelves:
    """Adds shelves up; counters never go back because a worker has died."""

    def __init__(self) -> None:
        self._left: Totals = {}

    def retire(self, shelf: Shelf) -> None:
        """Keep what a worker counted before it ended, and let go of its memory."""
        for cell in shelf.cells():
            if cell.family.merge != "live":
                _put(self._left, cell.family, cell.labels, shelf.read(cell))
        shelf.close()

    def totals(self, living: Iterable[Shelf]) -> Totals:
        """Return the values of all cells, as they stand now."""
        totals: Totals = {family: dict(series) for family, series in self._left.items()}
        for shelf in living:
            for cell in shelf.cells():
                _put(totals, cell.family, cell.labels, shelf.read(cell))
        return totals


def exemplars(living: Iterable[Shelf]) -> Exemplars:
    """Return the newest exemplar of every bucket that has one."""
    found: Exemplars = {}
    for shelf in living:
        for cell in shelf.cells():
            for bucket, exemplar in shelf.exemplars(cell).items():
                by_bucket = found.setdefault(cell.family, {}).setdefault(cell.labels, {})
                if bucket not in by_bucket or by_bucket[bucket][2] < exemplar[2]:
                    by_bucket[bucket] = exemplar
    return found


def _put(totals: Totals, family: Family, labels: str, values: Counts) -> None:
    series = totals.setdefault(family, {})
    known = series.get(labels)
    if known is None:
        series[labels] = values
    elif family.merge == "max":
        series[labels] = tuple(map(max, known, values))
    else:
        series[labels] = tuple(map(add, known, values))
