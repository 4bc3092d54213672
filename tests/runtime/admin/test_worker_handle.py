"""What is remembered of a worker, and who may write it."""

from __future__ import annotations

import ast
import os
import signal
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import podready
from podready.runtime.admin.worker_handle import WorkerExit, WorkerHandle, free_slot
from podready.runtime.loop.channel import channel_pair
from podready.runtime.loop.messages import HealthReport, Heartbeat, Listening, StartupPhase
from podready.runtime.metrics.shared import MetricsSegment

RUNTIME = Path(podready.__file__).parent / "runtime"


@pytest.fixture
def worker() -> Iterator[WorkerHandle]:
    """A worker that was forked at second 10."""
    ours, theirs = channel_pair(lambda _sentence: None)
    segment = MetricsSegment()
    yield WorkerHandle(os.getpid(), ours, 10.0, segment)
    segment.close()
    ours.close()
    theirs.close()


def test_a_worker_serves_from_listening_until_it_retires(worker: WorkerHandle) -> None:
    """The phases of its start, then its retirement."""
    worker.record(StartupPhase("warmup", 0.5), 11.0)
    assert (worker.startup_phase, worker.progress, worker.serves) == ("warmup", 0.5, False)
    worker.record(Listening(), 12.0)
    assert (worker.startup_phase, worker.serves) == ("listening", True)
    worker.retire()
    assert (worker.listening, worker.serves) == (True, False)


def test_every_message_is_a_sign_of_life(worker: WorkerHandle) -> None:
    """Silence is counted from the last one; time in which nobody ran does not count."""
    assert worker.last_heartbeat == 10.0
    worker.record(HealthReport(), 20.0)
    assert worker.last_heartbeat == 20.0
    worker.excuse(5.0)
    assert worker.last_heartbeat == 25.0


def test_stale_results_are_unknown(worker: WorkerHandle) -> None:
    """A silent worker's checks count as failing, in every group that it has."""
    report = HealthReport(failing=["db"], stale_after=2.0, groups={"storage": []})
    worker.record(report, 20.0)
    assert worker.unready(21.0) == {"db"}
    assert worker.failing_in("storage", 21.0) == []
    assert worker.unready(23.0) == {"db", "checks-unknown"}
    assert worker.failing_in("storage", 23.0) == ["checks-unknown"]
    assert worker.failing_in("other", 23.0) is None


def test_a_follower_says_itself_whether_it_serves(worker: WorkerHandle) -> None:
    """Heartbeats of supervised workers leave that alone."""
    worker.record(Heartbeat(serving=True), 11.0)
    assert worker.listening
    worker.record(Heartbeat(), 12.0)
    assert worker.listening


def test_exits_in_words(worker: WorkerHandle) -> None:
    """By its code, or by the signal that killed it."""
    assert WorkerExit(worker, 3).text == "ended with exit code 3"
    assert WorkerExit(worker, -signal.SIGKILL).text == "was killed by SIGKILL"


def test_the_lowest_slot_is_given_again(worker: WorkerHandle) -> None:
    """So that the number of series does not grow with every restart."""
    assert free_slot([]) == 0
    assert free_slot([worker]) == 1


def test_only_its_own_methods_change_a_worker() -> None:
    """No other file of the runtime assigns to a field of a handle."""
    names = {item.name for item in fields(WorkerHandle)}
    offenders = [
        f"{path.relative_to(RUNTIME)}:{target.lineno}"
        for path in RUNTIME.rglob("*.py")
        if path.name != "worker_handle.py"
        for target in assigned(ast.parse(path.read_text(encoding="utf-8")))
        if target.attr in names and ast.unparse(target.value).endswith(("worker", "each", "old"))
    ]
    assert offenders == []


def assigned(tree: ast.Module) -> Iterator[ast.Attribute]:
    """Yield every attribute that is assigned to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node
