"""The cells of all workers as one: sums over the living, with what the dead have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.runtime.histogram import Exemplar
from podready.runtime.metrics import Family
from podready.runtime.shelf import Counts, Shelf, merged

if TYPE_CHECKING:
    from collections.abc import Iterable

Totals = dict[Family, dict[str, Counts]]
"""Values by family and label text."""

Exemplars = dict[Family, dict[str, dict[int, Exemplar]]]
"""Exemplars by family, label text and bucket."""


class Shelves:
    """Adds shelves up; counters never go back because a worker has died."""

    def __init__(self, ledger: Shelf | None = None) -> None:
        self._ledger = ledger  # what the dead have left

    def retire(self, shelf: Shelf) -> None:
        """Keep what a worker counted before it ended, and let go of its memory."""
        if self._ledger is None:
            self._ledger = Shelf()
        self._ledger.absorb(shelf)
        shelf.close()

    def totals(self, living: Iterable[Shelf]) -> Totals:
        """Return the values of all cells, as they stand now."""
        totals: Totals = {}
        for shelf in living if self._ledger is None else (self._ledger, *living):
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
    else:
        series[labels] = merged(family, known, values)
