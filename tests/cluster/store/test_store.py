"""Objects, versions, compare-and-swap and watches of the store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podready.cluster.store.store import Store
from podready.kube.gvk import CONFIG_MAP, POD
from podready.kube.status import AlreadyExists, Conflict, Gone, NotFound, Timeout


def config(name: str, data: str = "1", version: str = "") -> dict[str, Any]:
    meta = {"name": name, "namespace": "n"} | ({"resourceVersion": version} if version else {})
    return {"metadata": meta, "data": {"a": data}}


def version_of(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


def test_every_write_has_the_next_version_of_one_counter() -> None:
    """The counter is shared by all resources."""
    store = Store()
    first = store.create(CONFIG_MAP, config("a"))
    second = store.create(POD, {"metadata": {"name": "p", "namespace": "n"}})
    assert version_of(second) == version_of(first) + 1 == store.revision
    assert store.get(CONFIG_MAP, "n", "a") is first
    assert store.list(CONFIG_MAP, "n") == [first]
    assert store.list(CONFIG_MAP, "other") == []


def test_names_are_unique_and_missing_ones_are_told() -> None:
    """AlreadyExists and NotFound, by resource."""
    store = Store()
    store.create(CONFIG_MAP, config("a"))
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        store.create(CONFIG_MAP, config("a"))
    with pytest.raises(NotFound, match='pods "a" not found'):
        store.get(POD, "n", "a")


def test_a_write_from_an_old_version_is_a_conflict() -> None:
    """Compare and swap: only who has seen the last state may replace it."""
    store = Store()
    old = str(version_of(store.create(CONFIG_MAP, config("a"))))
    new = str(version_of(store.update(CONFIG_MAP, config("a", "2", old))))
    with pytest.raises(Conflict):
        store.update(CONFIG_MAP, config("a", "3", old))
    with pytest.raises(Conflict):
        store.delete(CONFIG_MAP, config("a", "2", old))
    last = store.delete(CONFIG_MAP, config("a", "2", new))
    assert version_of(last) == int(new) + 1, "a deletion has a version of its own"


def test_a_write_that_changes_nothing_is_none() -> None:
    """No new version and no event: this is how controllers come to rest."""
    store = Store()
    made = store.create(CONFIG_MAP, config("a"))
    again = store.update(CONFIG_MAP, config("a", "1", str(version_of(made))))
    assert again is made
    assert store.revision == version_of(made)


async def test_a_watch_sees_what_came_after_its_version_and_what_comes() -> None:
    """First the history, then the future, in order, with the state before each change."""
    store = Store()
    first = store.create(CONFIG_MAP, config("a"))
    version = str(version_of(first))
    store.update(CONFIG_MAP, config("a", "2", version))
    watcher = store.watch(CONFIG_MAP, int(version))
    store.create(CONFIG_MAP, config("b"))
    store.delete(CONFIG_MAP, store.get(CONFIG_MAP, "n", "a"))
    changes = [await watcher.next() for _ in range(3)]
    assert [(c.type, c.object["metadata"]["name"]) for c in changes if c] == [
        ("MODIFIED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]
    assert changes[0] is not None
    assert changes[0].previous is first
    watcher.close()
    assert await watcher.next() is None
    assert list(store.watchers()) == []


async def test_a_waiting_watcher_is_woken_by_a_write_and_by_its_end() -> None:
    """Nobody polls."""
    store = Store()
    watcher = store.watch(CONFIG_MAP, store.revision)
    waiting = asyncio.create_task(watcher.next())
    await asyncio.sleep(0)
    store.create(CONFIG_MAP, config("a"))
    change = await waiting
    assert change is not None
    assert change.type == "ADDED"
    waiting = asyncio.create_task(watcher.next())
    await asyncio.sleep(0)
    watcher.close()
    assert await waiting is None


def test_a_forgotten_version_is_gone_and_a_future_one_too_large() -> None:
    """History is bounded for each resource on its own."""
    store = Store(history=2)
    start = store.revision
    for name in "abc":
        store.create(CONFIG_MAP, config(name))
    with pytest.raises(Gone, match="too old resource version"):
        store.watch(CONFIG_MAP, start)
    store.watch(POD, start).close()
    store.watch(CONFIG_MAP, start + 1).close()
    with pytest.raises(Timeout, match="Too large resource version"):
        store.watch(CONFIG_MAP, store.revision + 1)


async def test_a_watcher_that_lags_is_told_to_list_again() -> None:
    """It still gets what it was promised, then Gone; the store holds nothing for it."""
    store = Store(watch_limit=2)
    watcher = store.watch(CONFIG_MAP, store.revision)
    for name in "abc":
        store.create(CONFIG_MAP, config(name))
    assert list(store.watchers()) == []
    assert await watcher.next() is not None
    assert await watcher.next() is not None
    with pytest.raises(Gone):
        await watcher.next()
