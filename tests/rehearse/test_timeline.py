"""Lanes: a pod's states and moments, cut to the scenario's window."""

from __future__ import annotations

import math
from dataclasses import replace

from podready.rehearse.history import Ended, Interval, PodHistory
from podready.rehearse.result import StateSpan
from podready.rehearse.timeline import Window, lane, lanes

WINDOW = Window(90.0, 110.0)


def spans(history: PodHistory) -> dict[str, list[tuple[float, float]]]:
    """Return the lane's spans by state, rounded."""
    found: dict[str, list[tuple[float, float]]] = {}
    for span in lane(history, WINDOW).spans:
        found.setdefault(span.state, []).append((round(span.start, 2), round(span.end, 2)))
    return found


def test_a_dying_pod(dying: PodHistory) -> None:
    """Ready until deletion, draining until its exit, routed until the last proxy has heard."""
    assert spans(dying) == {
        "ready": [(0.0, 10.0)],
        "draining": [(10.0, 13.0)],
        "listening": [(0.0, 10.1)],
        "routed": [(0.0, 11.0)],
    }
    marks = [(round(mark.at, 2), mark.label) for mark in lane(dying, WINDOW).marks]
    assert marks == [
        (10.0, "deleted"),
        (10.02, "SIGTERM"),
        (10.1, "listener closed"),
        (11.0, "unrouted"),
        (13.0, "exited 0"),
    ]
    assert lane(dying, WINDOW).exit_code == 0


def test_a_new_pod() -> None:
    """Pending until its process runs, starting until its first Ready, then ready to the end."""
    new = PodHistory(
        "default/web-9", created=100.0, started=100.2, ready=(Interval(103.0, math.inf),)
    )
    assert spans(new) == {
        "pending": [(10.0, 10.2)],
        "starting": [(10.2, 13.0)],
        "ready": [(13.0, 20.0)],
    }


def test_a_pod_that_was_unready_for_a_while() -> None:
    """The gap between two ready intervals is its own state."""
    shaky = PodHistory(
        "default/web-9",
        created=80.0,
        started=80.1,
        ready=(Interval(85.0, 95.0), Interval(97.0, math.inf)),
    )
    assert spans(shaky)["unready"] == [(5.0, 7.0)]


def test_a_restart_in_place_does_not_end_the_lane(dying: PodHistory) -> None:
    """A container that crashed and came back belongs to the same pod."""
    crashed = replace(
        dying,
        deleted=None,
        sigterm=None,
        gone=None,
        ready=(Interval(82.0, 95.0), Interval(99.0, math.inf)),
        ends=(Ended(95.0, 1),),
    )
    assert spans(crashed)["ready"] == [(0.0, 5.0), (9.0, 20.0)]
    assert [m.label for m in lane(crashed, WINDOW).marks][:1] == ["exited 1"]


def test_lanes_are_in_the_order_of_birth_and_only_of_this_window(dying: PodHistory) -> None:
    """Pods that ended before the scenario began are no part of its picture."""
    old = replace(dying, pod="default/old", created=10.0, gone=50.0, ends=(Ended(49.0, 0),))
    old = replace(old, deleted=40.0, sigterm=40.0)
    new = PodHistory("default/new", created=95.0)
    assert [one.pod for one in lanes([new, old, dying], WINDOW)] == ["default/web-1", "default/new"]


def test_window_clips() -> None:
    """Outside is outside."""
    assert WINDOW.clip(80.0, 90.0) is None
    assert WINDOW.clip(80.0, 95.0) == (0.0, 5.0)
    assert StateSpan("x", *(WINDOW.clip(105.0, math.inf) or (0, 0))) == StateSpan("x", 15.0, 20.0)
