"""Expectations: a controller waits for its cache, but not for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from podready.cluster.reconcile.expectations import TIMEOUT_SECONDS, Expectations


async def test_nothing_expected_is_satisfied(clock: Any) -> None:
    """A key never heard of holds nobody up."""
    expectations = Expectations(clock)
    assert expectations.satisfied("a")
    assert expectations.seconds_left("a") is None
    expectations.creation_observed("a")
    expectations.deletion_observed("a", "uid")
    assert expectations.satisfied("a")


async def test_creations_are_counted(clock: Any) -> None:
    """Three expected: satisfied with the third seen, failed ones counted as seen."""
    expectations = Expectations(clock)
    expectations.expect_creations("a", 3)
    expectations.creation_observed("a")
    assert not expectations.satisfied("a")
    expectations.creation_observed("a", 2)
    assert expectations.satisfied("a")


async def test_deletions_are_known_by_uid(clock: Any) -> None:
    """Another object's deletion does not count, and the same one not twice."""
    expectations = Expectations(clock)
    expectations.expect_deletions("a", ["one", "two"])
    for uid in ("one", "one", "three"):
        expectations.deletion_observed("a", uid)
    assert not expectations.satisfied("a")
    expectations.deletion_observed("a", "two")
    assert expectations.satisfied("a")


async def test_a_lost_event_is_forgiven(clock: Any) -> None:
    """After five minutes the cache is trusted again, and the controller knows when to look."""
    expectations = Expectations(clock)
    expectations.expect_creations("a", 1)
    left = expectations.seconds_left("a")
    assert left is not None
    assert left >= TIMEOUT_SECONDS
    await asyncio.sleep(left - 1)
    assert not expectations.satisfied("a")
    await asyncio.sleep(1)
    assert expectations.satisfied("a")


async def test_forgotten_keys_expect_nothing(clock: Any) -> None:
    """The object is gone: so is what was expected of it."""
    expectations = Expectations(clock)
    expectations.expect_creations("a", 1)
    expectations.forget("a")
    assert expectations.satisfied("a")
