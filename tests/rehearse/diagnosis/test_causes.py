"""The diagnosis table: one lost request a row, and its near misses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from podready.rehearse.diagnosis.causes import ROWS, LostRequest, cause_of
from podready.rehearse.history import Ended, Interval, PodHistory
from podready.rehearse.load.plan import Outcome, Sample

Make = Callable[..., Sample]

REUSED: dict[str, Any] = {"reused": True, "conn_age": 3.0}


def lost(sample: Sample, history: PodHistory | None, usual: float = 0.01) -> str:
    """Return the cause of one lost request."""
    return cause_of(LostRequest(sample, history, usual))


def test_refused_while_routed_is_a_listener_closed_early(a_sample: Make, dying: PodHistory) -> None:
    """0.5 s after SIGTERM a proxy still sends here and nobody listens: the endpoint race."""
    sample = a_sample(sent=100.5, done=100.501, outcome=Outcome.REFUSED)
    assert lost(sample, dying) == "listener-closed-early"


def test_reset_in_the_backlog_is_a_listener_closed_early(a_sample: Make, dying: PodHistory) -> None:
    """A connection still in the accept queue is reset when the listener closes."""
    sample = a_sample(sent=100.09, done=100.11, outcome=Outcome.RESET)
    assert lost(sample, dying) == "listener-closed-early"


@pytest.mark.parametrize("outcome", [Outcome.RESET, Outcome.EOF])
def test_idle_connection_closed_under_a_request_is_the_keep_alive_race(
    a_sample: Make, dying: PodHistory, outcome: Outcome
) -> None:
    """A reused connection ends without one byte just after SIGTERM."""
    sample = a_sample(sent=100.1, done=100.12, outcome=outcome, **REUSED)
    assert lost(sample, dying) == "keep-alive-race"


def test_the_same_without_an_ending_pod_is_a_short_keep_alive(
    a_sample: Make, dying: PodHistory
) -> None:
    """The same signature long before any lifecycle event: the server's idle timeout."""
    sample = a_sample(sent=90.0, done=90.01, outcome=Outcome.EOF, **REUSED)
    assert lost(sample, dying) == "keep-alive-shorter-than-proxy"


@pytest.mark.parametrize(
    "changes",
    [
        {"sent": 99.9, "done": 102.9, "outcome": Outcome.EOF, **REUSED},
        {"sent": 99.9, "done": 102.9, "first_byte": 100.0, "outcome": Outcome.RESET, **REUSED},
        {"sent": 99.9, "done": 102.9, "outcome": Outcome.STATUS, "status": 500, **REUSED},
    ],
)
def test_work_under_way_that_ends_at_shutdown_is_a_graceful_timeout(
    a_sample: Make, dying: PodHistory, changes: dict[str, Any]
) -> None:
    """A slow request is cut mid-body, closed or answered 500 while its pod stops by itself."""
    assert lost(a_sample(**changes), dying, usual=5.0) == "cut-by-graceful-timeout"


def test_cut_at_sigkill_is_the_grace_period(a_sample: Make, dying: PodHistory) -> None:
    """The pod ignored SIGTERM and was killed at deletion + grace with requests under way."""
    ignoring = replace(
        dying,
        handled=False,
        sigkill=130.0,
        ends=(Ended(130.01, 137, 9),),
        listening=(Interval(81.0, 130.0),),
    )
    sample = a_sample(sent=129.0, done=130.0, outcome=Outcome.RESET, **REUSED)
    assert lost(sample, ignoring, usual=2.0) == "killed-at-grace"


def test_cut_at_grace_is_seen_without_a_journal(a_sample: Make, dying: PodHistory) -> None:
    """On a real cluster exit code 137 at deletion + grace says the same."""
    seen = replace(dying, sigterm=None, handled=None, listening=(), ends=(Ended(130.2, 137),))
    sample = a_sample(sent=129.5, done=130.2, outcome=Outcome.RESET, **REUSED)
    assert lost(sample, seen, usual=2.0) == "killed-at-grace"


@pytest.mark.parametrize(
    "end", [Ended(95.0, 137, 9), Ended(95.0, 137, 9, oom=True), Ended(95.0, 1)]
)
def test_an_end_that_nobody_asked_for_kills_in_flight(
    a_sample: Make, dying: PodHistory, end: Ended
) -> None:
    """All requests under way are lost at one instant; there was no SIGTERM."""
    crashed = replace(dying, deleted=None, sigterm=None, handled=None, ends=(end,))
    cut = a_sample(sent=94.9, done=95.0, outcome=Outcome.RESET, **REUSED)
    refused = a_sample(sent=96.0, done=96.0, outcome=Outcome.REFUSED)
    assert {lost(cut, crashed), lost(refused, crashed)} == {"killed-in-flight"}


@pytest.mark.parametrize(
    "changes",
    [{"outcome": Outcome.REFUSED}, {"outcome": Outcome.STATUS, "status": 503}],
)
def test_a_new_pod_that_fails_just_after_ready(
    a_sample: Make, dying: PodHistory, changes: dict[str, Any]
) -> None:
    """Readiness passed before the app could serve."""
    sample = a_sample(sent=82.5, done=82.51, **changes)
    assert lost(sample, dying) == "not-ready-when-ready"


def test_no_pod_to_route_to(a_sample: Make) -> None:
    """The proxy had no endpoint at all, so no pod is to blame."""
    assert lost(a_sample(pod="", outcome=Outcome.REFUSED), None) == "no-endpoints"


def test_accepted_and_never_served(a_sample: Make, dying: PodHistory) -> None:
    """A parent process kept the socket open: connections hang until they are reset."""
    sample = a_sample(sent=100.5, done=103.0, outcome=Outcome.RESET)
    assert lost(sample, dying) == "accepted-not-served"


def test_a_slow_request_begun_while_draining_is_not_called_unserved(
    a_sample: Make, dying: PodHistory
) -> None:
    """It took as long as its kind always does, so it was at work when it was cut."""
    sample = a_sample(sent=100.5, done=103.0, outcome=Outcome.RESET)
    assert lost(sample, dying, usual=2.4) == "cut-by-graceful-timeout"


def test_wrong_status_timeout_and_the_unknown(a_sample: Make, dying: PodHistory) -> None:
    """What has no lifecycle event beside it is told as what it is."""
    calm = replace(dying, deleted=None, sigterm=None, handled=None, ends=())
    assert lost(a_sample(done=95.0, outcome=Outcome.STATUS, status=404), calm) == (
        "unexpected-status"
    )
    assert lost(a_sample(sent=90, done=100, outcome=Outcome.TIMEOUT), calm) == "too-slow"
    assert lost(a_sample(sent=95, done=95, outcome=Outcome.INVALID), calm) == "unknown"


def test_codes_are_unique() -> None:
    """A code is a promise: links, suppressions and reports hold on to it."""
    codes = [row.code for row in ROWS]
    assert len(codes) == len(set(codes))
