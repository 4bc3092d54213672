"""Cells in shared memory: written by one process, read by another, kept when the writer dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from tests.runtime.metrics.served import count

from podready.runtime.metrics.aggregate import Aggregate, exemplars
from podready.runtime.metrics.cells import BUCKETS
from podready.runtime.metrics.families import (
    ACTIVE_REQUESTS,
    HOOK_SECONDS,
    REJECTED,
    REQUEST_DURATION,
    label_text,
)
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.shared import CELLS, OVERFLOW, MetricsSegment

GET = {"method": "GET", "scheme": "http"}


def values(segment: MetricsSegment) -> dict[tuple[str, str], tuple[float, ...]]:
    """Return every cell's values by its metric and labels."""
    return {(each.family.name, each.labels): segment.read(each) for each in segment.cells()}


def in_a_child(work: Callable[[], None]) -> None:
    """Do `work` in a forked process that is then killed with SIGKILL, as the kernel's OOM does."""
    done, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os.write(tell, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    assert os.read(done, 1) == b"x"
    os.close(done)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_killed_process_leaves_every_request_it_counted() -> None:
    """A worker is killed right after three requests: the supervisor still sees all three."""
    segment = MetricsSegment()

    def serve() -> None:
        metrics = HttpMetrics(segment)
        for seconds in (0.004, 0.04, 99.0):
            method = metrics.series_of(GET)
            count(method, "/users/{id}", 200, seconds)

    in_a_child(serve)
    labels = label_text(REQUEST_DURATION, "GET", "/users/{id}", "200", "http")
    *counts, total = values(segment)[REQUEST_DURATION.name, labels]
    assert [place for place, count in enumerate(counts) if count] == [0, 3, BUCKETS - 1]
    assert total == 99.044


def test_a_bound_belongs_to_its_bucket() -> None:
    """Prometheus' `le` means less or equal: a request of exactly 5 ms is in the first bucket."""
    segment = MetricsSegment()
    cell = segment.histogram(REQUEST_DURATION, "GET", "/", "200", "http")
    cell.observe(0.005)
    cell.observe(0.0050001)
    (counts,) = values(segment).values()
    assert counts[:2] == (1, 1)


def test_counters_never_go_back_when_a_worker_ends() -> None:
    """Two workers count, one ends and another begins: totals only grow, gauges of the dead go."""
    first, second, third = MetricsSegment(), MetricsSegment(), MetricsSegment()
    for segment, rejected in ((first, 2), (second, 3)):
        segment.number(REJECTED).add(rejected)
        segment.number(ACTIVE_REQUESTS, "GET", "http").add()
        segment.number(HOOK_SECONDS, "close pool").set(rejected)
    segments = Aggregate()
    segments.retire(first)
    third.number(REJECTED).add(4)
    totals = segments.totals([second, third])
    assert totals[REJECTED] == {"": (9.0,)}
    assert totals[ACTIVE_REQUESTS] == {label_text(ACTIVE_REQUESTS, "GET", "http"): (1.0,)}
    assert totals[HOOK_SECONDS] == {'hook="close pool"': (3.0,)}


def test_a_flood_of_routes_ends_in_one_overflow_cell() -> None:
    """An app that makes up routes without end cannot fill the pod's memory or the page."""
    segment = MetricsSegment()
    metrics = HttpMetrics(segment)
    requests = CELLS + 500
    for number in range(requests):
        method = metrics.series_of(GET)
        count(method, f"/made/up/{number}", 200, 0.001)
    rejected = segment.number(REJECTED)
    rejected.add()
    found = values(segment)
    assert len(found) < CELLS
    counted = sum(sum(each[:-1]) for (name, _), each in found.items() if "duration" in name)
    assert counted == requests
    assert found[REQUEST_DURATION.name, OVERFLOW][0] >= 500
    assert found[REJECTED.name, OVERFLOW] == (1.0,)  # a new metric still finds a place


def test_labels_too_long_for_a_cell_are_counted_as_overflow() -> None:
    """A route template of 600 characters has no room in a cell; its requests are not lost."""
    segment = MetricsSegment()
    method = HttpMetrics(segment).series_of(GET)
    count(method, "/" + "x" * 600, 200, 0.001)
    assert values(segment)[REQUEST_DURATION.name, OVERFLOW][0] == 1


def test_what_the_client_makes_up_is_not_a_label() -> None:
    """Thousands of invented methods and schemes are one series."""
    segment = MetricsSegment()
    metrics = HttpMetrics(segment)
    for number in range(3000):
        method = metrics.series_of({"method": f"M{number}", "scheme": f"s{number}"})
        count(method, "", 400, 0.001)
    labels = label_text(REQUEST_DURATION, "_OTHER", "", "400", "http")
    assert values(segment)[REQUEST_DURATION.name, labels][0] == 3000
    assert len(segment.cells()) == 2
    assert not [key for key in metrics.series if key[0].startswith("M")]


def test_the_newest_exemplar_of_a_bucket_wins() -> None:
    """Two workers have an exemplar for the same bucket: the page shows the later one."""
    segments = [MetricsSegment(), MetricsSegment()]
    for when, segment in enumerate(segments, 1):
        method = HttpMetrics(segment).series_of(GET)
        count(method, "/", 200, 0.02, (bytes([when]) * 16, bytes([when]) * 8, float(when)))
    (by_bucket,) = exemplars(segments)[REQUEST_DURATION].values()
    assert by_bucket == {2: (b"\2" * 16, b"\2" * 8, 2.0, 0.02)}


def test_all_cells_are_read_at_once_as_they_are_one_by_one() -> None:
    """Histograms and numbers in any order, published between two readings."""
    segment = MetricsSegment()
    assert list(segment.readings()) == []
    for number in range(20):
        segment.number(HOOK_SECONDS, str(number)).set(number + 0.5)
        cell = segment.histogram(REQUEST_DURATION, "GET", f"/{number}", "200", "http")
        for _ in range(number):
            cell.observe(number / 10)
        readings = list(segment.readings())
        assert [each for each, _ in readings] == segment.cells()
        assert all(read == segment.read(each) for each, read in readings)
    assert len(readings) == 40


def test_workers_that_met_their_routes_in_another_order_are_added_up_alike() -> None:
    """Four workers, the same routes in four orders: each series is the sum of its own."""
    routes = [f"/{number}" for number in range(6)]
    segments = [MetricsSegment() for _ in range(4)]
    for turn, segment in enumerate(segments):
        method = HttpMetrics(segment).series_of(GET)
        for route in routes[turn:] + routes[:turn]:
            count(method, route, 200, 0.25 * (turn + 1))
    series = Aggregate().totals(segments)[REQUEST_DURATION]
    assert len(series) == 6
    for values in series.values():
        assert (sum(values[:-1]), values[-1]) == (4, 2.5)


def test_the_registry_of_the_app_has_room_beside_the_cells() -> None:
    """The worker leaves 1 MB of its own metrics; the supervisor reads it, and the cells too."""
    segment = MetricsSegment()
    segment.number(REJECTED).add()
    text = "# HELP ä\n" * 100_000
    assert segment.read_text(segment.write_text(text.encode())) == text
    assert values(segment) == {(REJECTED.name, ""): (1.0,)}
