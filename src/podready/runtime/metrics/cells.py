"""The two kinds of cells that a worker writes: a histogram and a plain number.

A cell is a window on memory that the supervisor can read at any moment (see `shared`). One thread
writes a given cell; every write is one aligned machine word, so a reader never sees half of one.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BUCKETS: Final = 15
"""Counters in a histogram cell: up to 14 bounds, and one for what is above all of them."""


class Histogram:
    """Counts of durations by bucket, not cumulated, and their sum."""

    __slots__ = ("_bounds", "_counts", "_exemplify", "_total")

    def __init__(
        self,
        counts: memoryview[int],
        total: memoryview[float],
        bounds: Sequence[float],
        exemplify: Callable[[int, Exemplar], None] | None = None,
    ) -> None:
        self._counts = counts
        self._total = total
        self._bounds = bounds
        self._exemplify = exemplify

    def observe(self, value: float, trace: Mark | None = None) -> None:
        """Count `value`; a `trace` makes it an exemplar."""
        bounds = self._bounds
        bucket = 0 if value <= bounds[0] else bisect_left(bounds, value)
        self._counts[bucket] += 1
        self._total[0] += value
        if trace is not None and self._exemplify is not None:
            self._exemplify(bucket, (*trace, value))


Mark = tuple[bytes, bytes, float]
"""Trace id, span id, seconds since 1970."""

Exemplar = tuple[bytes, bytes, float, float]
"""Trace id, span id, seconds since 1970, value."""


class Number:
    """A counter or a gauge."""

    __slots__ = ("view",)

    def __init__(self, view: memoryview[float]) -> None:
        self.view = view

    def add(self, amount: float = 1.0) -> None:
        """Add `amount`."""
        self.view[0] += amount

    def set(self, value: float) -> None:
        """Replace the value."""
        self.view[0] = value
