"""A registry on a clock that stands still, and a real API server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from podready.cluster.apiserver.registry import Registry
from podready.cluster.apiserver.server import ApiServer
from podready.kube.status import NotFound


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return when the condition holds; TimeoutError when it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


class StillClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self._now.timestamp()

    def now(self) -> datetime:
        return self._now

    def pass_seconds(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class ScriptedLogs:
    """Logs by (pod, container, previous); a followed one goes on until `end` is set."""

    def __init__(self) -> None:
        self.written: dict[tuple[str, str, bool], list[bytes]] = {}
        self.more: list[bytes] = []
        self.end = asyncio.Event()
        self.open_streams = 0

    async def open(
        self, _namespace: str, pod: str, container: str, *, previous: bool, follow: bool
    ) -> AsyncIterator[bytes]:
        if (pod, container, previous) not in self.written:
            raise NotFound(f"no log of {container}")
        self.open_streams += 1
        try:
            for piece in self.written[pod, container, previous]:
                yield piece
            if follow:
                await self.end.wait()
                for piece in self.more:
                    yield piece
        finally:
            self.open_streams -= 1


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    """Wait for a condition, with a deadline."""
    return until


@pytest.fixture
def clock() -> StillClock:
    """The time of the registry."""
    return StillClock()


@pytest.fixture
def registry(clock: StillClock) -> Registry:
    """A new cluster's registry."""
    return Registry(clock=clock)


@pytest.fixture
def logs() -> ScriptedLogs:
    """What containers wrote."""
    return ScriptedLogs()


@pytest.fixture
async def server(
    registry: Registry, logs: ScriptedLogs, clock: StillClock
) -> AsyncIterator[ApiServer]:
    """A listening API server; no task of it is left behind."""
    before = asyncio.all_tasks()
    served = ApiServer(registry, pod_logs=logs, clock=clock)
    await served.start()
    yield served
    await served.stop()
    assert list(registry.store.watchers()) == []
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    await until(lambda: all(task is None or task.done() for task in left))


@pytest.fixture
def kubeconfig(server: ApiServer, tmp_path: Path) -> Path:
    """The way to the server."""
    path = tmp_path / "kubeconfig"
    server.write_kubeconfig(path)
    return path
