"""The controllers' world: full caches first, keys a little later, changes told as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.informer import Informer
from podready.cluster.reconcile.context import ControllerContext, ObjectChange
from podready.cluster.reconcile.jitter import Jitter
from podready.cluster.reconcile.loop import DONE, Result
from podready.kube.gvk import CONFIG_MAP, NAMESPACE
from podready.kube.meta import key_of, name_of


@pytest.fixture
async def context(clock: Any) -> AsyncIterator[ControllerContext]:
    """Return a context on an API server in memory, its informers running."""
    client = InProcessClient(Registry(clock=clock))
    informers = {r: Informer(client, r) for r in (CONFIG_MAP, NAMESPACE)}
    tasks = [asyncio.create_task(informer.run()) for informer in informers.values()]
    yield ControllerContext(client, informers, clock, Jitter(1.0, 2.0, seed=1))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_controller_starts_on_full_caches(context: ControllerContext) -> None:
    """What was there before is in the cache when the first key is reconciled, after the delay."""
    for name in ("one", "two"):
        await context.client.create(CONFIG_MAP, "default", {"metadata": {"name": name}})
    seen: list[tuple[str, int, float]] = []

    async def reconcile(key: str) -> Result:
        seen.append((key, len(context.objects(CONFIG_MAP)), context.clock.monotonic()))
        return DONE

    source = context.watch(CONFIG_MAP, lambda change: [key_of(change.latest)])
    controller = context.controller("test", reconcile, [source])
    start = context.clock.monotonic()
    await controller.start()
    await asyncio.sleep(5)
    await controller.stop()
    assert sorted(key for key, _, _ in seen) == ["default/one", "default/two"]
    assert all(count == 2 and 1 <= time - start <= 2.1 for _, count, time in seen)


async def test_changes_are_told_at_once(context: ControllerContext) -> None:
    """New, changed, gone: `to_keys` sees old and new without delay."""
    story: list[tuple[str, bool, bool]] = []

    def to_keys(change: ObjectChange) -> list[str]:
        story.append((name_of(change.latest), change.old is not None, change.new is not None))
        return []

    async def reconcile(_: str) -> Result:
        return DONE

    controller = context.controller("test", reconcile, [context.watch(CONFIG_MAP, to_keys)])
    await controller.start()
    await context.client.create(CONFIG_MAP, "default", {"metadata": {"name": "a"}})
    await asyncio.sleep(0.01)
    await context.client.patch(CONFIG_MAP, "default", "a", {"data": {"b": "c"}})
    await asyncio.sleep(0.01)
    await context.client.delete(CONFIG_MAP, "default", "a")
    await asyncio.sleep(0.01)
    await controller.stop()
    assert story == [("a", False, True), ("a", True, True), ("a", True, False)]


async def test_ending_namespaces_are_known(context: ControllerContext) -> None:
    """A terminating namespace takes nothing new; others and unknown ones are not ending."""
    await context.wait_synced()
    await context.client.create(NAMESPACE, None, {"metadata": {"name": "shop"}})
    await context.client.delete(NAMESPACE, None, "shop")
    await asyncio.sleep(0.01)
    assert context.is_ending("shop")
    assert not context.is_ending("default")
    assert not context.is_ending("unknown")
    assert not context.is_ending(None)
