"""Which requests count as lost, and the sentences that say why."""

from __future__ import annotations

from typing import Any

import pytest

from podready.testing.losses import ShutdownRecord, describe_losses
from podready.testing.request_record import OutgoingRequest, RequestRecord


def stop(**facts: Any) -> ShutdownRecord:
    """Return a stop that began at 100 s, with half a second of drain delay."""
    values = {"begun": 100.0, "drain_delay": 0.5, "grace_period": 10.0, "killed": False, "end": ""}
    return ShutdownRecord(**{**values, **facts})


def record(
    begun: float, ended: float, failure: str = "", *, refused: bool = False, path: str = "/"
) -> RequestRecord:
    """Return a request that is over."""
    made = RequestRecord(OutgoingRequest("GET", path))
    made.begun, made.ended, made.failure, made.refused = begun, ended, failure, refused
    return made


def test_answered_requests_are_no_loss() -> None:
    """Before, across and after SIGTERM."""
    good = [record(99.0, 99.1), record(99.9, 101.0), record(100.4, 100.5)]
    assert describe_losses(good, stop()) == ""


def test_a_request_without_answer_is_named_with_its_times() -> None:
    """Sent before SIGTERM, failed after it."""
    lost = record(99.8, 100.25, "the connection was closed without an answer", path="/slow")
    assert describe_losses([record(99.0, 99.1), lost], stop()) == (
        "1 of 2 requests were lost:\n"
        "  GET /slow, sent 0.20 s before SIGTERM: "
        "the connection was closed without an answer at +0.25 s"
    )


def test_a_connection_refused_before_the_drain_delay_is_over_is_a_loss() -> None:
    """Proxies may still route there; after it they no longer do."""
    early = record(100.1, 100.1, "connection refused", refused=True)
    late = record(100.49, 100.51, "connection refused", refused=True)
    report = describe_losses([early, late], stop())
    assert report.startswith("1 of 2 requests were lost:")
    assert "refused at +0.10 s; the app must accept until +0.50 s (the drain delay)" in report
    assert describe_losses([late], stop()) == ""


def test_cut_work_is_named_with_its_line_of_code() -> None:
    """A request of ours beside its failure; what others sent, and tasks, on a line of their own."""
    lost = record(99.0, 108.0, "the connection was closed without an answer", path="/slow")
    cut = [("GET /slow", "main.py:12 in slow"), ("import a file", "main.py:40 in load")]
    report = describe_losses([lost], stop(cut=cut))
    assert "at +8.00 s; the app had no time left and was at main.py:12 in slow" in report
    assert "\n  import a file: cut at main.py:40 in load" in report


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (
            {"killed": True},
            "the app did not end within its grace period of 10 s and was killed",
        ),
        ({"end": "killed by SIGSEGV"}, "the app was killed by SIGSEGV"),
    ],
)
def test_a_bad_end_fails_without_a_lost_request(facts: dict[str, Any], line: str) -> None:
    """An app that has to be killed did not stop well, whatever its clients saw."""
    assert describe_losses([record(99.0, 101.0)], stop(**facts)).endswith(f"\n  {line}")


def test_many_losses_are_counted_rather_than_listed() -> None:
    """Twenty are named."""
    lost = [record(100.0, 100.1, "no answer within 30 s") for _ in range(23)]
    lines = describe_losses(lost, stop()).splitlines()
    assert (lines[0], lines[-1]) == ("23 of 23 requests were lost:", "  and 3 more")
    assert len(lines) == 22
