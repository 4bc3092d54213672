"""Telemetry: what counting a request costs, what a scrape costs, what spans cost, beside the peers.

python -m benchmarks.telemetry [record|scrape|together|request|traces ...]
                               [--rounds 5] [--seconds 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.harness import (
    Load,
    Variant,
    machine,
    podready,
    record,
    rounds,
    serving,
    spread,
    table,
    uvicorn,
    wrk,
)

SERIES = 150
RECORDS = 100_000
PACKAGES = (
    "uvicorn",
    "prometheus-client",
    "python-json-logger",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-asgi",
)

REQUEST_VARIANTS = [
    Variant(name, uvicorn("measured", "--no-access-log").command, {"MEASURED": way})
    for way, name in {
        "none": "uvicorn, bare",
        "pass": "a middleware that counts nothing",
        "podready": "podready's cells",
        "prometheus-cached": "prometheus_client, children cached",
        "prometheus": "prometheus_client, .labels() each time",
        "otel-sampled": "OpenTelemetry's middleware, 1 %, one span",
        "otel-traces": "OpenTelemetry's middleware, defaults",
    }.items()
]

_NOTHING = "a middleware that counts nothing"
_CELLS = "podready's cells in that middleware"
_EVERYTHING = "podready run: access log, metrics, ids"
_SILENT = "podready run, no access log: metrics"
TOGETHER_VARIANTS = [
    uvicorn("raw", "--no-access-log", "uvicorn, bare"),
    podready("raw", name=_EVERYTHING),
    podready("raw", "--no-access-log", _SILENT),
    uvicorn("raw", name="uvicorn, its own text access log"),
    Variant(
        "python-json-logger in a middleware",
        uvicorn("measured", "--no-access-log").command,
        {"MEASURED": "json-log"},
    ),
    Variant(
        "OpenTelemetry's middleware, defaults",
        uvicorn("measured", "--no-access-log").command,
        {"MEASURED": "otel-traces"},
    ),
    Variant(_NOTHING, uvicorn("measured", "--no-access-log").command, {"MEASURED": "pass"}),
    Variant(_CELLS, uvicorn("measured", "--no-access-log").command, {"MEASURED": "podready"}),
]
TOGETHER_PAIRS = [
    ("Metrics alone", _CELLS, _NOTHING),
    ("Access log and ids", _EVERYTHING, _SILENT),
]
"""What differs between two rows, and whose difference it is."""

_NOWHERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_LOG_LEVEL": "error"}
TRACE_VARIANTS = [
    podready("raw", "--no-access-log", "podready run"),
    Variant(
        "podready run, spans of 10 %",
        podready("raw", "--no-access-log").command,
        _NOWHERE,
    ),
    Variant(
        "podready run, spans of all",
        podready("raw", "--no-access-log").command,
        {**_NOWHERE, "OTEL_TRACES_SAMPLER": "always_on"},
    ),
]


def main() -> None:
    """Measure the tables named on the command line, or all."""
    tables: dict[str, Callable[[int, int], None]] = {
        "record": recording,
        "scrape": scraping,
        "together": lambda number, seconds: requests(
            "Telemetry: log, metrics and ids together",
            TOGETHER_VARIANTS,
            number,
            seconds,
            TOGETHER_PAIRS,
        ),
        "request": lambda number, seconds: requests(
            "Telemetry: metrics of a request", REQUEST_VARIANTS, number, seconds
        ),
        "traces": lambda number, seconds: requests(
            "Telemetry: spans of a request", TRACE_VARIANTS, number, seconds
        ),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(tables), help=", ".join(tables))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    for name in options.tables:
        tables[name](options.rounds, options.seconds)


def cpu_of(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1e9


def in_process(
    title: str,
    peers: dict[str, Callable[[], object]],
    number: int,
    unit: tuple[float, str, str],
    between: Callable[[], object] = int,
) -> None:
    """Measure functions in alternating rounds; `unit` is the factor, its name, and the method.

    `between` runs before each call and is not measured.
    """
    factor, name, how = unit
    seen: dict[str, list[float]] = {peer: [] for peer in peers}
    for work in peers.values():
        work()
    for _ in range(number * 3):
        for peer, work in peers.items():
            between()
            seen[peer].append(cpu_of(work) * factor)
    base = median(next(iter(seen.values())))
    rows = [
        (peer, spread(values, 2), f"{median(values) / base:.1f}") for peer, values in seen.items()
    ]
    text = f"{how} {number * 3} alternating rounds, CPU time, median (lowest-highest)."
    record(title, f"{text} {machine(PACKAGES)}\n\n{table(('', name, 'ratio'), rows)}")


def recording(number: int, _seconds: int) -> None:
    """Measure one request counted: gauge up and down, histogram."""
    in_process(
        "Telemetry: recording",
        {"podready": ours(), "prometheus_client": theirs(cached=True), ".labels()": theirs()},
        number,
        (1e6 / RECORDS, "us a request", f"{RECORDS} requests counted in a loop."),
    )


def ours() -> Callable[[], object]:
    """Return a loop that counts requests in our cells."""
    from podready.runtime.metrics.http import HttpMetrics
    from podready.runtime.metrics.shared import MetricsSegment

    metrics = HttpMetrics(MetricsSegment())
    scope = {"method": "GET", "scheme": "http"}

    def loop() -> None:
        for _ in range(RECORDS):
            series = metrics.series_of(scope)
            series.active[0] += 1.0
            series.active[0] -= 1.0
            cell = series.cells.get(("/users/{id}", 200)) or series.add("/users/{id}", 200)
            cell.observe(0.0123)

    return loop


def theirs(*, cached: bool = False) -> Callable[[], object]:
    """Return a loop that counts the same with prometheus_client."""
    from prometheus_client import CollectorRegistry, Gauge, Histogram

    from podready.runtime.metrics.families import SECONDS

    registry = CollectorRegistry()
    names = ("method", "route", "status", "scheme")
    duration = Histogram("duration", "x", names, buckets=SECONDS, registry=registry)
    active = Gauge("active", "x", ("method", "scheme"), registry=registry)
    kept_gauge = active.labels("GET", "http")
    kept = duration.labels("GET", "/users/{id}", "200", "http")

    def loop() -> None:
        for _ in range(RECORDS):
            gauge = kept_gauge if cached else active.labels("GET", "http")
            gauge.inc()
            gauge.dec()
            child = kept if cached else duration.labels("GET", "/users/{id}", "200", "http")
            child.observe(0.0123)

    return loop


def scraping(number: int, _seconds: int) -> None:
    """Measure one page of 150 histograms, all of which have changed since the last one."""
    one, four, traced = Pages(1), Pages(4), Pages(4, traced=True)

    def requests_come() -> None:
        for pages in (one, four, traced):
            pages.count()

    how = (
        f"{SERIES} histograms of 15 buckets, drawn as Prometheus text; each has counted a request "
        "in every worker since the last scrape."
    )
    in_process(
        f"Telemetry: a scrape of {SERIES} series",
        {
            "podready, 1 worker": one.draw,
            "podready, 4 workers merged": four.draw,
            "the same as OpenMetrics, one exemplar a series": traced.draw,
            "prometheus_client": their_page(),
        },
        number,
        (1e3, "ms a scrape", how),
        requests_come,
    )


class Pages:
    """What the supervisor does for its workers' cells at a scrape."""

    def __init__(self, workers: int, *, traced: bool = False) -> None:
        from podready.runtime.metrics.aggregate import Aggregate
        from podready.runtime.metrics.exposition import Renderer
        from podready.runtime.metrics.http import HttpMetrics
        from podready.runtime.metrics.shared import MetricsSegment

        self._aggregate, self._renderer = Aggregate(), Renderer()
        self._living = [MetricsSegment() for _ in range(workers)]
        scope = {"method": "GET", "scheme": "http"}
        self._series = [HttpMetrics(segment).series_of(scope) for segment in self._living]
        self._mark = (b"\xab" * 16, b"\xcd" * 8, 1.0) if traced else None
        self._turn = 0
        self.count()

    def count(self) -> None:
        """Count a request on every series of every worker."""
        self._turn += 1
        for series in self._series:
            for each in range(SERIES):
                route = f"/routes/{each}/{{id}}"
                seconds = each / 100 if self._mark else each * self._turn % 977 / 100
                cell = series.cells.get((route, 200)) or series.add(route, 200)
                cell.observe(seconds, self._mark)

    def draw(self) -> bytes:
        """Return the page."""
        from podready.runtime.metrics.aggregate import exemplars

        totals = self._aggregate.totals(self._living)
        if self._mark is None:
            return self._renderer.page(totals)
        marks = exemplars(self._living)
        return self._renderer.page(totals, openmetrics=True, exemplars=marks)


def their_page() -> Callable[[], object]:
    """Return prometheus_client's own page for the same series."""
    from prometheus_client import CollectorRegistry, Histogram
    from prometheus_client.exposition import generate_latest

    from podready.runtime.metrics.families import SECONDS

    registry = CollectorRegistry()
    names = ("http_request_method", "http_route", "http_response_status_code", "url_scheme")
    duration: Any = Histogram("duration", "x", names, buckets=SECONDS, registry=registry)
    for each in range(SERIES):
        duration.labels("GET", f"/routes/{each}/{{id}}", "200", "http").observe(each / 100)
    return lambda: generate_latest(registry)


def measure(variant: Variant, seconds: int) -> Load:
    """Warm a fresh server up and load it."""
    with serving(variant) as server:
        wrk(server, 1)
        return wrk(server, seconds)


def requests(
    title: str,
    variants: list[Variant],
    number: int,
    seconds: int,
    pairs: Sequence[tuple[str, str, str]] = (),
) -> None:
    """Measure servers; the first variant is what the others are compared with.

    Each of `pairs` is a line below the table: what differs, the dearer and the cheaper variant.
    """
    seen = rounds(variants, number, lambda variant: measure(variant, seconds))
    base = next(iter(seen.values()))
    rows = [
        (
            name,
            spread([load.per_second for load in loads]),
            spread([load.cpu_us for load in loads], 1),
            f"{median(more(loads, base)):+.1f}",
            sum(load.errors for load in loads),
        )
        for name, loads in seen.items()
    ]
    header = ("raw ASGI", "requests/s", "CPU us/request", "more", "errors")
    how = f"wrk -t1 -c32, {number} alternating rounds of {seconds} s, server on one CPU."
    below = "".join(
        f"\n\n{what} ({dearer}, less: {cheaper}): "
        f"{spread(more(seen[dearer], seen[cheaper]), 1)} us of CPU a request."
        for what, dearer, cheaper in pairs
    )
    record(
        title,
        f"{how} Median (lowest-highest); `more` is the median difference of the rounds. "
        f"{machine(PACKAGES)}\n\n{table(header, rows)}{below}",
    )


def more(loads: list[Load], base: list[Load]) -> list[float]:
    """Return how many us of CPU a request took more than with `base`, round by round."""
    return [load.cpu_us - other.cpu_us for load, other in zip(loads, base, strict=True)]


if __name__ == "__main__":
    main()
