"""The cells of all workers as one: sums over the living, with what the dead have left."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING

from podready.runtime.metrics.cells import Exemplar
from podready.runtime.metrics.families import Family
from podready.runtime.metrics.shared import Cell, Counts, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
        groups: Groups = {}
        for shelf in living if self._ledger is None else (self._ledger, *living):
            _group(groups, shelf.readings())
        return _merged(groups)


def exemplars(living: Iterable[Shelf]) -> Exemplars:
    """Return the newest exemplar of every bucket that has one."""
    found: Exemplars = {}
    for shelf in living:
        for cell, bucket, exemplar in shelf.exemplars():
            by_bucket = found.setdefault(cell.family, {}).setdefault(cell.labels, {})
            if bucket not in by_bucket or by_bucket[bucket][2] < exemplar[2]:
                by_bucket[bucket] = exemplar
    return found


Groups = dict[Family, dict[str, list[Counts]]]
"""What is to be added up, by family and label text."""


def _group(groups: Groups, readings: Iterable[tuple[Cell, Counts]]) -> None:
    for cell, values in readings:
        series = groups.get(cell.family)
        if series is None:
            series = groups[cell.family] = {}
        group = series.get(cell.labels)
        if group is None:
            series[cell.labels] = [values]
        else:
            group.append(values)


def _merged(groups: Groups) -> Totals:
    return {
        family: {labels: _one(family, group) for labels, group in series.items()}
        for family, series in groups.items()
    }


def _one(family: Family, group: list[Counts]) -> Counts:
    """Return what a group of values amounts to; the sums are made in one pass of C code."""
    if len(group) == 1:
        return group[0]
    if family.merge == "max":
        return tuple(map(max, *group))
    added: Iterator[float] = map(add, group[0], group[1])
    for values in group[2:]:
        added = map(add, added, values)
    return tuple(added)
