"""The work queue's promises: once, never twice at a time, later, less often after failures."""

from __future__ import annotations

import asyncio

import pytest

from podready.cluster.reconcile.workqueue import QueueShutDown, RetryBackoff, WorkQueue


def now() -> float:
    """Return the loop's (virtual) time."""
    return asyncio.get_running_loop().time()


async def test_a_key_waits_once() -> None:
    """Added three times before anybody came: one turn."""
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_is_never_worked_on_twice_at_a_time() -> None:
    """Added while it is worked on, it comes again, but only after `done`."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_get_waits_for_a_key() -> None:
    """A worker that finds nothing sleeps until something is added."""
    queue: WorkQueue[str] = WorkQueue()
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(1)
    assert not worker.done()
    queue.add("a")
    assert await worker == "a"


async def test_the_earlier_of_two_delays_counts() -> None:
    """In 5 s, in 2 s, in 9 s: after 2 s, once."""
    queue: WorkQueue[str] = WorkQueue()
    start = now()
    for delay in (5, 2, 9):
        queue.add_after("a", delay)
    assert await queue.get() == "a"
    assert now() - start == pytest.approx(2)
    queue.done("a")
    await asyncio.sleep(20)
    assert len(queue) == 0


async def test_back_off_doubles_until_forgotten() -> None:
    """1, 2, 4, 4 (cap) seconds; after success 1 again."""
    queue: WorkQueue[str] = WorkQueue(RetryBackoff(base=1, cap=4))
    waits = []
    for failure in range(5):
        if failure == 4:
            queue.forget("a")
        start = now()
        queue.add_rate_limited("a")
        queue.done(await queue.get())
        waits.append(round(now() - start, 6))
    assert waits == [1, 2, 4, 4, 1]


def test_back_off_never_overflows() -> None:
    """The ten-thousandth failure waits as long as the cap says."""
    assert RetryBackoff(base=0.005, cap=1000).delay(10_000) == 1000


async def test_shut_down_sends_workers_home() -> None:
    """A waiting worker ends, timers are off, later keys are not taken."""
    queue: WorkQueue[str] = WorkQueue()
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add_after("a", 1)
    queue.shut_down()
    queue.add("b")
    queue.add_after("c", 0)
    with pytest.raises(QueueShutDown):
        await worker
    with pytest.raises(QueueShutDown):
        await queue.get()


async def test_a_key_done_after_shut_down_does_not_return() -> None:
    """What was dirty while the queue closed stays out."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.shut_down()
    queue.done("a")
    assert len(queue) == 0


async def test_no_delay_is_now() -> None:
    """In no time, or less, is at once."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0)
    queue.add_after("b", -1)
    assert len(queue) == 2
