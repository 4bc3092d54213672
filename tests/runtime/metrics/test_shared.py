"""Cells in shared memory: written by one process, read by another, kept when the writer dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from podready.runtime.metrics.aggregate import Shelves, exemplars
from podready.runtime.metrics.cells import BUCKETS
from podready.runtime.metrics.families import (
    ACTIVE_REQUESTS,
    HOOK_SECONDS,
    REQUEST_DURATION,
    SHED,
    label_text,
)
from podready.runtime.metrics.http import HttpMetrics
from podready.runtime.metrics.shared import CELLS, OVERFLOW, Shelf

GET = {"method": "GET", "scheme": "http"}


def values(shelf: Shelf) -> dict[tuple[str, str], tuple[float, ...]]:
    """Return every cell's values by its metric and labels."""
    return {(each.family.name, each.labels): shelf.read(each) for each in shelf.cells()}


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
    shelf = Shelf()

    def serve() -> None:
        metrics = HttpMetrics(shelf)
        for seconds in (0.004, 0.04, 99.0):
            door = metrics.door(GET)
            door.enter()
            door.leave("/users/{id}", 200, seconds)

    in_a_child(serve)
    labels = label_text(REQUEST_DURATION, "GET", "/users/{id}", "200", "http")
    *counts, total = values(shelf)[REQUEST_DURATION.name, labels]
    assert [place for place, count in enumerate(counts) if count] == [0, 3, BUCKETS - 1]
    assert total == 99.044


def test_a_bound_belongs_to_its_bucket() -> None:
    """Prometheus' `le` means less or equal: a request of exactly 5 ms is in the first bucket."""
    shelf = Shelf()
    cell = shelf.histogram(REQUEST_DURATION, "GET", "/", "200", "http")
    cell.observe(0.005)
    cell.observe(0.0050001)
    (counts,) = values(shelf).values()
    assert counts[:2] == (1, 1)


def test_counters_never_go_back_when_a_worker_ends() -> None:
    """Two workers count, one ends and another begins: totals only grow, gauges of the dead go."""
    first, second, third = Shelf(), Shelf(), Shelf()
    for shelf, shed in ((first, 2), (second, 3)):
        shelf.number(SHED).add(shed)
        shelf.number(ACTIVE_REQUESTS, "GET", "http").add()
        shelf.number(HOOK_SECONDS, "close pool").set(shed)
    shelves = Shelves()
    shelves.retire(first)
    third.number(SHED).add(4)
    totals = shelves.totals([second, third])
    assert totals[SHED] == {"": (9.0,)}
    assert totals[ACTIVE_REQUESTS] == {label_text(ACTIVE_REQUESTS, "GET", "http"): (1.0,)}
    assert totals[HOOK_SECONDS] == {'hook="close pool"': (3.0,)}


def test_a_flood_of_routes_ends_in_one_overflow_cell() -> None:
    """An app that makes up routes without end cannot fill the pod's memory or the page."""
    shelf = Shelf()
    metrics = HttpMetrics(shelf)
    requests = CELLS + 500
    for number in range(requests):
        door = metrics.door(GET)
        door.enter()
        door.leave(f"/made/up/{number}", 200, 0.001)
    shed = shelf.number(SHED)
    shed.add()
    found = values(shelf)
    assert len(found) < CELLS
    counted = sum(sum(each[:-1]) for (name, _), each in found.items() if "duration" in name)
    assert counted == requests
    assert found[REQUEST_DURATION.name, OVERFLOW][0] >= 500
    assert found[SHED.name, OVERFLOW] == (1.0,)  # a new metric still finds a place


def test_labels_too_long_for_a_cell_are_counted_as_overflow() -> None:
    """A route template of 600 characters has no room in a cell; its requests are not lost."""
    shelf = Shelf()
    door = HttpMetrics(shelf).door(GET)
    door.enter()
    door.leave("/" + "x" * 600, 200, 0.001)
    assert values(shelf)[REQUEST_DURATION.name, OVERFLOW][0] == 1


def test_what_the_client_makes_up_is_not_a_label() -> None:
    """Thousands of invented methods and schemes are one series."""
    shelf = Shelf()
    metrics = HttpMetrics(shelf)
    for number in range(3000):
        door = metrics.door({"method": f"M{number}", "scheme": f"s{number}"})
        door.enter()
        door.leave("", 400, 0.001)
    labels = label_text(REQUEST_DURATION, "_OTHER", "", "400", "http")
    assert values(shelf)[REQUEST_DURATION.name, labels][0] == 3000
    assert len(shelf.cells()) == 2
    assert not [key for key in metrics.doors if key[0].startswith("M")]


def test_the_newest_exemplar_of_a_bucket_wins() -> None:
    """Two workers have an exemplar for the same bucket: the page shows the later one."""
    shelves = [Shelf(), Shelf()]
    for when, shelf in enumerate(shelves, 1):
        door = HttpMetrics(shelf).door(GET)
        door.enter()
        door.leave("/", 200, 0.02, (bytes([when]) * 16, bytes([when]) * 8, float(when)))
    (by_bucket,) = exemplars(shelves)[REQUEST_DURATION].values()
    assert by_bucket == {2: (b"\2" * 16, b"\2" * 8, 2.0, 0.02)}


def test_all_cells_are_read_at_once_as_they_are_one_by_one() -> None:
    """Histograms and numbers in any order, published between two readings."""
    shelf = Shelf()
    assert list(shelf.readings()) == []
    for number in range(20):
        shelf.number(HOOK_SECONDS, str(number)).set(number + 0.5)
        cell = shelf.histogram(REQUEST_DURATION, "GET", f"/{number}", "200", "http")
        for _ in range(number):
            cell.observe(number / 10)
        readings = list(shelf.readings())
        assert [each for each, _ in readings] == shelf.cells()
        assert all(read == shelf.read(each) for each, read in readings)
    assert len(readings) == 40


def test_workers_that_met_their_routes_in_another_order_are_added_up_alike() -> None:
    """Four workers, the same routes in four orders: each series is the sum of its own."""
    routes = [f"/{number}" for number in range(6)]
    shelves = [Shelf() for _ in range(4)]
    for turn, shelf in enumerate(shelves):
        door = HttpMetrics(shelf).door(GET)
        for route in routes[turn:] + routes[:turn]:
            door.enter()
            door.leave(route, 200, 0.25 * (turn + 1))
    series = Shelves().totals(shelves)[REQUEST_DURATION]
    assert len(series) == 6
    for values in series.values():
        assert (sum(values[:-1]), values[-1]) == (4, 2.5)


def test_the_registry_of_the_app_has_room_beside_the_cells() -> None:
    """The worker leaves 1 MB of its own metrics; the supervisor reads it, and the cells too."""
    shelf = Shelf()
    shelf.number(SHED).add()
    text = "# HELP ä\n" * 100_000
    assert shelf.read_text(shelf.write_text(text.encode())) == text
    assert values(shelf) == {(SHED.name, ""): (1.0,)}
