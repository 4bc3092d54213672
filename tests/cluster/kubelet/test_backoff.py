"""Delays between restarts."""

from __future__ import annotations

from podready.cluster.kubelet.backoff import CrashLoopBackoff, seconds_text


def test_the_crash_loop_curve() -> None:
    """At once, then 10 s doubling to 300 s; a long run starts it anew."""
    backoff = CrashLoopBackoff()

    assert [backoff.after(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert [backoff.after(599), backoff.after(600), backoff.after(1)] == [300, 0, 10]


def test_a_shorter_longest_delay() -> None:
    """The cap may be set, as the kubelet's crashLoopBackOff.maxContainerRestartPeriod."""
    backoff = CrashLoopBackoff(longest=4)

    assert [backoff.after(1) for _ in range(3)] == [0, 4, 4]


def test_go_durations() -> None:
    """Delays read as Go prints them."""
    assert [seconds_text(n) for n in (10, 160, 300)] == ["10s", "2m40s", "5m0s"]
