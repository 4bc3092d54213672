"""The controller loop: again after, again on error, no more after stop."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from podready.cluster.reconcile.loop import DONE, STOP_SECONDS, Controller, Result
from podready.cluster.reconcile.workqueue import RetryBackoff, WorkQueue
from podready.kube.status import Conflict, InternalError


class Recorder:
    """A reconcile function that notes when it was called and answers as told."""

    def __init__(self, *answers: Result | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, float]] = []

    async def __call__(self, key: str) -> Result:
        """Give the next answer, or DONE."""
        self.calls.append((key, asyncio.get_running_loop().time()))
        answer = self.answers.pop(0) if self.answers else DONE
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def gaps(self) -> list[float]:
        """Return the seconds between calls."""
        times = [time for _, time in self.calls]
        return [round(b - a, 6) for a, b in pairwise(times)]


async def run(reconcile: Recorder, *keys: str, seconds: float = 100) -> None:
    """Run a controller over the keys for a while."""
    queue: WorkQueue[str] = WorkQueue(RetryBackoff(base=1, cap=8))
    controller = Controller("test", reconcile, queue)
    await controller.start()
    for key in keys:
        queue.add(key)
    await asyncio.sleep(seconds)
    await controller.stop()


async def test_each_key_is_reconciled() -> None:
    """Two keys, two calls, in order."""
    reconcile = Recorder()
    await run(reconcile, "a", "b")
    assert [key for key, _ in reconcile.calls] == ["a", "b"]


async def test_requeue_after() -> None:
    """`Result(requeue_after=30)` is called again 30 s later."""
    reconcile = Recorder(Result(requeue_after=30))
    await run(reconcile, "a")
    assert reconcile.gaps == [30]


@pytest.mark.parametrize(
    ("error", "level"),
    [(Conflict("old"), 10), (InternalError("oops"), 20), (KeyError("bug"), 40)],
)
async def test_errors_back_off(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An error comes again after 1, 2, 4 s, is logged as what it is, and hurts no other key."""
    caplog.set_level(logging.DEBUG, logger="podready")
    reconcile = Recorder(error, error, error)
    await run(reconcile, "a")
    assert reconcile.gaps == [1, 2, 4]
    assert {record.levelno for record in caplog.records} == {level}


async def test_success_resets_the_back_off() -> None:
    """After a success the next failure waits the shortest time again."""
    error = Conflict("old")
    reconcile = Recorder(error, error, Result(requeue_after=5), error)
    await run(reconcile, "a")
    assert reconcile.gaps == [1, 2, 5, 1]


async def test_stop_lets_the_work_under_way_end() -> None:
    """A reconcile that takes 2 s ends; nothing is called afterwards."""
    ended = []

    async def slow(key: str) -> Result:
        await asyncio.sleep(2)
        ended.append(key)
        return Result(requeue_after=0)

    queue: WorkQueue[str] = WorkQueue()
    controller = Controller("slow", slow, queue)
    await controller.start()
    queue.add("a")
    await asyncio.sleep(1)
    await controller.stop()
    await asyncio.sleep(10)
    assert ended == ["a"]


async def test_stop_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A reconcile that hangs is cancelled after STOP_SECONDS, and named."""

    async def hang(key: str) -> Result:
        await asyncio.sleep(3600)
        return DONE

    queue: WorkQueue[str] = WorkQueue()
    controller = Controller("hanging", hang, queue)
    await controller.start()
    queue.add("a")
    await asyncio.sleep(0)
    start = asyncio.get_running_loop().time()
    await controller.stop()
    assert asyncio.get_running_loop().time() - start == pytest.approx(STOP_SECONDS)
    assert "hanging-0" in caplog.text


async def test_sources_feed_from_start_to_stop() -> None:
    """A source gets the queue on start; what it adds after the stop is not taken."""
    queue: WorkQueue[str] = WorkQueue()
    reconcile = Recorder()
    controller = Controller("fed", reconcile, queue, sources=[lambda target: target.add("a")])
    await controller.start()
    await asyncio.sleep(1)
    await controller.stop()
    queue.add("b")
    await asyncio.sleep(1)
    assert [key for key, _ in reconcile.calls] == ["a"]


async def test_workers_share_the_queue() -> None:
    """Three workers take three keys at once, but one key only one at a time."""
    running: list[str] = []
    most = []

    async def slow(key: str) -> Result:
        running.append(key)
        most.append(len(running))
        assert len(set(running)) == len(running)
        await asyncio.sleep(1)
        running.remove(key)
        return DONE

    queue: WorkQueue[str] = WorkQueue()
    controller = Controller("pool", slow, queue, workers=3)
    await controller.start()
    for key in "abcabc":
        queue.add(key)
    await asyncio.sleep(0.5)
    queue.add("a")
    await asyncio.sleep(10)
    await controller.stop()
    assert max(most) == 3
    assert len(most) == 4
