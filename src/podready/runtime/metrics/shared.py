"""Cells in shared memory that one worker writes and the supervisor reads: no files, no messages.

The supervisor maps anonymous shared memory before it forks. So a scrape costs the worker nothing
and needs no answer from it: a blocked worker's numbers are exact, a killed worker's last request
is counted, and there is no directory of stale files to clean up. Cells are allocated one after
the other and never freed; a cell is published by writing its family last.

Only touched pages cost memory: about 190 kB for 150 series.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING, Final

from podready.runtime.metrics.cells import BUCKETS, Exemplar, Histogram, Number
from podready.runtime.metrics.families import FAMILIES, PLACE, Family, label_text

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS: Final = 2048
"""OpenTelemetry's SDKs stop at 2000 series a metric; this is for all metrics of a worker."""

TEXT_BYTES: Final = 4 << 20
"""Room for the text of the app's own prometheus_client registry."""

OVERFLOW: Final = 'otel_metric_overflow="true"'
"""Labels of the cell that counts what found no cell: OpenTelemetry's own name for it."""

_HEAD = struct.Struct("<BxHBB")  # family's place + 1, bytes of label text, a bit a bucket: marked
_MARKS_AT: Final = 4
_LABELS_AT: Final = _HEAD.size
_VALUES_AT: Final = 512
_MAX_LABEL_BYTES: Final = _VALUES_AT - _LABELS_AT
_TOTAL_AT: Final = _VALUES_AT + 8 * BUCKETS
_EXEMPLARS_AT: Final = _TOTAL_AT + 8
_EXEMPLAR = struct.Struct("<16s8sdd")
_STRIDE: Final = 1280
_TEXT_AT: Final = CELLS * _STRIDE
_RETIRED_AT: Final = _TEXT_AT + TEXT_BYTES
SEGMENT_BYTES: Final = _RETIRED_AT + 1
"""Size of the memory of a segment."""

_RESERVED: Final = len(FAMILIES)
"""Cells kept for overflow: at most one for each family."""

_HISTOGRAM = struct.Struct(f"<{BUCKETS}Qd")
_NUMBER = struct.Struct("<d")
_ROW = struct.Struct(
    f"<{_VALUES_AT}x{_HISTOGRAM.format[1:]}{_STRIDE - _VALUES_AT - _HISTOGRAM.size}x"
)
"""A whole cell, of which only a histogram's values are read."""

_BITS: Final = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]
"""Which bits are set in a byte."""

Counts = tuple[float, ...]
"""Values of a cell: the buckets and the sum, or one number."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a published cell is, and what it counts."""

    at: int
    family: Family
    labels: str


class MetricsSegment:
    """One worker's cells. The writer's methods are for the worker, the reader's for PID 1.

    `memory` of SEGMENT_BYTES is mapped by another process too; without one it is anonymous, for a
    child that is forked later.
    """

    def __init__(self, memory: mmap.mmap | None = None) -> None:
        self._memory = mmap.mmap(-1, SEGMENT_BYTES) if memory is None else memory
        self._used = 0
        self._seen: list[Cell] = []
        self._cells: dict[tuple[Family, str], int] = {}

    # The writer

    def histogram(self, family: Family, *values: str) -> Histogram:
        """Return the cell for these label values, a new one at first."""
        at = self._place(family, values)
        view = memoryview(self._memory)
        counts = view[at + _VALUES_AT : at + _TOTAL_AT].cast("Q")
        total = view[at + _TOTAL_AT : at + _TOTAL_AT + 8].cast("d")

        def exemplify(bucket: int, exemplar: Exemplar) -> None:
            offset = at + _EXEMPLARS_AT + bucket * _EXEMPLAR.size
            _EXEMPLAR.pack_into(self._memory, offset, *exemplar)
            self._memory[at + _MARKS_AT + (bucket >> 3)] |= 1 << (bucket & 7)

        return Histogram(counts, total, family.bounds, exemplify)

    def number(self, family: Family, *values: str) -> Number:
        """Return the cell for these label values, a new one at first."""
        at = self._place(family, values)
        return Number(memoryview(self._memory)[at + _VALUES_AT : at + _VALUES_AT + 8].cast("d"))

    def _place(self, family: Family, values: tuple[str, ...]) -> int:
        return self._place_labels(family, label_text(family, *values))

    def _place_labels(self, family: Family, labels: str) -> int:
        if self._used >= CELLS - _RESERVED or len(labels.encode()) > _MAX_LABEL_BYTES:
            labels = self._known_or_overflow(family, labels)
        at = self._cells.get((family, labels))
        return self._publish(family, labels) if at is None else at

    def _known_or_overflow(self, family: Family, labels: str) -> str:
        return labels if (family, labels) in self._cells else OVERFLOW

    def _publish(self, family: Family, labels: str) -> int:
        at = self._cells[family, labels] = self._used * _STRIDE
        self._used += 1
        text = labels.encode()
        self._memory[at + _LABELS_AT : at + _LABELS_AT + len(text)] = text
        _HEAD.pack_into(self._memory, at, 0, len(text), 0, 0)
        self._memory[at] = PLACE[family] + 1
        return at

    def write_text(self, text: bytes) -> int:
        """Write the app's own metrics for the supervisor; return how many bytes they are."""
        self._memory[_TEXT_AT : _TEXT_AT + len(text)] = text
        return len(text)

    def absorb(self, other: MetricsSegment) -> bool:
        """Add the counts of a process that has ended; False when they were added before.

        Gauges of what was in flight are left out, and exemplars.
        """
        if other._memory[_RETIRED_AT]:
            return False
        other._memory[_RETIRED_AT] = 1
        for cell in other.cells():
            if cell.family.merge != "live":
                at = self._place_labels(cell.family, cell.labels) + _VALUES_AT
                layout = _layout(cell.family)
                known = layout.unpack_from(self._memory, at)
                layout.pack_into(self._memory, at, *merged(cell.family, known, other.read(cell)))
        return True

    # The reader

    def cells(self) -> list[Cell]:
        """Return all published cells, in the order of their publication."""
        while (known := len(self._seen)) < CELLS:
            place, length, *_ = _HEAD.unpack_from(self._memory, known * _STRIDE)
            if place == 0:
                break
            begin = known * _STRIDE + _LABELS_AT
            labels = self._memory[begin : begin + length].decode()
            self._seen.append(Cell(known * _STRIDE, FAMILIES[place - 1], labels))
        return self._seen

    def read(self, cell: Cell) -> Counts:
        """Return the values of the cell."""
        return _layout(cell.family).unpack_from(self._memory, cell.at + _VALUES_AT)

    def readings(self) -> Iterator[tuple[Cell, Counts]]:
        """Return all published cells with their values; much cheaper than one by one."""
        cells = self.cells()
        with memoryview(self._memory)[: len(cells) * _STRIDE] as rows:
            values: list[Counts] = list(_ROW.iter_unpack(rows))
        for place, cell in enumerate(cells):
            if cell.family.kind != "histogram":
                values[place] = self.read(cell)
        return zip(cells, values, strict=True)

    def exemplars(self) -> Iterator[tuple[Cell, int, Exemplar]]:
        """Return the last exemplar of each bucket that has one."""
        cells = self.cells()
        end = len(cells) * _STRIDE
        low = self._memory[_MARKS_AT:end:_STRIDE]
        high = self._memory[_MARKS_AT + 1 : end : _STRIDE]
        for cell, some, more in zip(cells, low, high, strict=True):
            for bucket in _BITS[some] if some else ():
                yield cell, bucket, self._exemplar(cell, bucket)
            for bucket in _BITS[more] if more else ():
                yield cell, bucket + 8, self._exemplar(cell, bucket + 8)

    def _exemplar(self, cell: Cell, bucket: int) -> Exemplar:
        offset = cell.at + _EXEMPLARS_AT + bucket * _EXEMPLAR.size
        return _EXEMPLAR.unpack_from(self._memory, offset)

    def read_text(self, length: int) -> str:
        """Return the text that the worker has written with `write_text`."""
        return self._memory[_TEXT_AT : _TEXT_AT + length].decode()

    def close(self) -> None:
        """Unmap the memory; only for a process that never wrote."""
        self._memory.close()


def _layout(family: Family) -> struct.Struct:
    return _HISTOGRAM if family.kind == "histogram" else _NUMBER


def merged(family: Family, one: Counts, other: Counts) -> Counts:
    """Return the values of two cells of a family as one."""
    return tuple(map(max if family.merge == "max" else add, one, other))
