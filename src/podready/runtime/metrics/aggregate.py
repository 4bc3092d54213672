"""The cells of all workers added up, with the retired totals of workers that have ended."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING

from podready.runtime.metrics.cells import Exemplar
from podready.runtime.metrics.families import Family
from podready.runtime.metrics.shared import Cell, Counts, MetricsSegment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Totals = dict[Family, dict[str, Counts]]
"""Values by family and label text."""

Exemplars = dict[Family, dict[str, dict[int, Exemplar]]]
"""Exemplars by family, label text and bucket."""


class Aggregate:
    """Adds segments up; no counter goes back when a worker ends."""

    def __init__(self, retired: MetricsSegment | None = None) -> None:
        self._retired = retired  # the totals of workers that have ended

    def retire(self, segment: MetricsSegment) -> None:
        """Add what an ended worker has counted to the retired totals, and unmap its segment."""
        if self._retired is None:
            self._retired = MetricsSegment()
        self._retired.absorb(segment)
        segment.close()

    def totals(self, segments: Iterable[MetricsSegment]) -> Totals:
        """Return the current values of all cells, the retired totals included."""
        groups: Groups = {}
        for segment in segments if self._retired is None else (self._retired, *segments):
            _group(groups, segment.readings())
        return _merged(groups)


def exemplars(segments: Iterable[MetricsSegment]) -> Exemplars:
    """Return the newest exemplar of every bucket that has one."""
    newest: Exemplars = {}
    for segment in segments:
        for cell, bucket, exemplar in segment.exemplars():
            by_bucket = newest.setdefault(cell.family, {}).setdefault(cell.labels, {})
            if bucket not in by_bucket or by_bucket[bucket][2] < exemplar[2]:
                by_bucket[bucket] = exemplar
    return newest


Groups = dict[Family, dict[str, list[Counts]]]
"""Values to add up, by family and label text."""


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
    """Return the values of a group as one; the sums are made in one pass of C code."""
    if len(group) == 1:
        return group[0]
    if family.merge == "max":
        return tuple(map(max, *group))
    added: Iterator[float] = map(add, group[0], group[1])
    for values in group[2:]:
        added = map(add, added, values)
    return tuple(added)
