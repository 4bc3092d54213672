"""Deadlines that only come nearer."""

from __future__ import annotations

import asyncio

from podready.cluster.kubelet.grace import GracePeriod


class SetClock:
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> object:
        raise NotImplementedError


async def test_a_period_can_be_shortened_but_not_lengthened() -> None:
    """A second deletion with less grace wins; one with more changes nothing."""
    clock = SetClock()
    grace = GracePeriod(30, clock)  # type: ignore[arg-type]
    clock.seconds += 10
    assert grace.remaining() == 20

    grace.shorten(60)
    assert grace.remaining() == 20
    grace.shorten(5)
    assert grace.remaining() == 5
    clock.seconds += 60
    assert grace.remaining() == 0


async def test_waiting_ends_when_the_period_is_cut() -> None:
    """Who waits notices at once that the period has been shortened to nothing."""
    grace = GracePeriod(3600, SetClock())  # type: ignore[arg-type]
    never = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(grace.wait(never))
    await asyncio.sleep(0)

    grace.shorten(0)

    assert not await waiting
    assert not never.done(), "what is late is left to its owner"
    never.cancel()


async def test_what_comes_in_time() -> None:
    """An awaited thing that is done ends the wait."""
    grace = GracePeriod(3600, SetClock())  # type: ignore[arg-type]

    assert await grace.wait(asyncio.sleep(0))
