"""Requests that have been served, for tests and benchmarks of what is counted of them."""

from __future__ import annotations

from podready.runtime.metrics.cells import Mark
from podready.runtime.metrics.http import MethodSeries


def count(
    series: MethodSeries, route: str, status: int, seconds: float, mark: Mark | None = None
) -> None:
    """Count one request as `requests.instrumentation` does at its end."""
    cell = series.cells.get((route, status)) or series.add(route, status)
    cell.observe(seconds, mark)
