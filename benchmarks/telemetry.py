"""Telemetry: what counting a request costs, what a scrape costs, what spans cost, beside the peers.

python -m benchmarks.telemetry [record|scrape|request|traces ...] [--rounds 5] [--seconds 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
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
    title: str, peers: dict[str, Callable[[], object]], number: int, unit: tuple[float, str, str]
) -> None:
    """Measure functions in alternating rounds; `unit` is the factor, its name, and the method."""
    factor, name, how = unit
    seen: dict[str, list[float]] = {peer: [] for peer in peers}
    for work in peers.values():
        work()
    for _ in range(number * 3):
        for peer, work in peers.items():
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
    from podready.runtime.http_metrics import HttpMetrics
    from podready.runtime.shelf import Shelf

    metrics = HttpMetrics(Shelf())
    scope = {"method": "GET", "scheme": "http"}

    def loop() -> None:
        for _ in range(RECORDS):
            door = metrics.door(scope)
            door.enter()
            door.leave("/users/{id}", 200, 0.0123)

    return loop


def theirs(*, cached: bool = False) -> Callable[[], object]:
    """Return a loop that counts the same with prometheus_client."""
    from prometheus_client import CollectorRegistry, Gauge, Histogram

    from podready.runtime.metrics import SECONDS

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
    """Measure one page of 150 histograms."""
    in_process(
        f"Telemetry: a scrape of {SERIES} series",
        {
            "podready, 1 worker": our_page(1),
            "podready, 4 workers merged": our_page(4),
            "prometheus_client": their_page(),
        },
        number,
        (1e3, "ms a scrape", f"{SERIES} histograms of 15 buckets, drawn as Prometheus text."),
    )


def our_page(workers: int) -> Callable[[], object]:
    """Return what the supervisor does for its workers' cells at a scrape."""
    from podready.runtime.http_metrics import HttpMetrics
    from podready.runtime.metrics import FAMILIES
    from podready.runtime.metrics_text import Renderer
    from podready.runtime.shelf import Shelf
    from podready.runtime.shelves import Shelves

    shelves, renderer, living = Shelves(), Renderer(), [Shelf() for _ in range(workers)]
    for shelf in living:
        for each in range(SERIES):
            door = HttpMetrics(shelf).door({"method": "GET", "scheme": "http"})
            door.enter()
            door.leave(f"/routes/{each}/{{id}}", 200, each / 100)

    def page() -> bytes:
        totals = shelves.totals(living)
        drawn = (renderer.family(each, totals.get(each, {}).items()) for each in FAMILIES)
        return b"".join(drawn)

    return page


def their_page() -> Callable[[], object]:
    """Return prometheus_client's own page for the same series."""
    from prometheus_client import CollectorRegistry, Histogram
    from prometheus_client.exposition import generate_latest

    from podready.runtime.metrics import SECONDS

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


def requests(title: str, variants: list[Variant], number: int, seconds: int) -> None:
    """Measure servers; the first variant is what the others are compared with."""
    seen = rounds(variants, number, lambda variant: measure(variant, seconds))
    base = next(iter(seen.values()))
    rows = []
    for name, loads in seen.items():
        more = [load.cpu_us - other.cpu_us for load, other in zip(loads, base, strict=True)]
        rows.append(
            (
                name,
                spread([load.per_second for load in loads]),
                spread([load.cpu_us for load in loads], 1),
                f"{median(more):+.1f}",
                sum(load.errors for load in loads),
            )
        )
    header = ("raw ASGI", "requests/s", "CPU us/request", "more", "errors")
    how = f"wrk -t1 -c32, {number} alternating rounds of {seconds} s, server on one CPU."
    record(
        title,
        f"{how} Median (lowest-highest); `more` is the median difference of the rounds. "
        f"{machine(PACKAGES)}\n\n{table(header, rows)}",
    )


if __name__ == "__main__":
    main()
