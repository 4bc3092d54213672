"""The informer: a cache that follows the cluster through losses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from podready.cluster.apiserver.deletion import DeleteOptions
from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.client.informer import Handler, Informer
from podready.cluster.client.protocol import Client, PatchType
from podready.kube.gvk import CONFIG_MAP, POD
from podready.kube.status import Unavailable

Until = Callable[..., Awaitable[None]]


def config(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


class Diary:
    """Writes down what an informer tells."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def handler(self) -> Handler:
        def note(word: str, obj: dict[str, Any]) -> None:
            self.lines.append(f"{word} {obj['metadata']['name']}")

        return Handler(
            on_add=lambda obj: note("add", obj),
            on_update=lambda _old, new: note("update", new),
            on_delete=lambda obj: note("delete", obj),
        )


@asynccontextmanager
async def running(informer: Informer) -> AsyncIterator[Informer]:
    task = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(10):
            await informer.wait_synced()
        yield informer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_holds_what_the_cluster_holds(client: Client, until: Until) -> None:
    """Listed objects are told as added, then each change once; late handlers catch up."""
    await client.create(CONFIG_MAP, "default", config("a"))
    early, late = Diary(), Diary()
    informer = Informer(client, CONFIG_MAP, "default")
    informer.add_handler(early.handler())
    assert not informer.synced
    async with running(informer):
        await client.create(CONFIG_MAP, "default", config("b"))
        await client.patch(CONFIG_MAP, "default", "a", {"data": {"x": "1"}})
        await client.delete(CONFIG_MAP, "default", "b")
        await until(lambda: len(early.lines) == 4)
        informer.add_handler(late.handler())
    assert early.lines == ["add a", "add b", "update a", "delete b"]
    assert late.lines == ["add a"]
    found = informer.get("default/a")
    assert found is not None
    assert found["data"] == {"x": "1"}
    assert informer.get("default/b") is None
    assert informer.objects("other") == []


async def test_indexes_follow_the_objects(client: Client, until: Until) -> None:
    """An object moves from one value to another, and out."""

    def by_app(obj: dict[str, Any]) -> list[str]:
        return list((obj["metadata"].get("labels") or {}).values())

    informer = Informer(client, CONFIG_MAP, indexes={"app": by_app})

    def names(app: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in informer.by_index("app", app)]

    await client.create(CONFIG_MAP, "default", config("b", app="web"))
    await client.create(CONFIG_MAP, "default", config("a", app="web"))
    async with running(informer):
        assert names("web") == ["a", "b"]
        await client.patch(CONFIG_MAP, "default", "a", {"metadata": {"labels": {"app": "api"}}})
        await until(lambda: names("api") == ["a"])
        assert names("web") == ["b"]
        await client.delete(CONFIG_MAP, "default", "b")
        await until(lambda: names("web") == [])


async def test_selectors_narrow_it(client: Client, until: Until) -> None:
    """A pod that leaves the selection is deleted for the informer."""
    spec = {"containers": [{"name": "c", "image": "i"}]}
    diary = Diary()
    informer = Informer(client, POD, field_selector="spec.nodeName=node-1")
    informer.add_handler(diary.handler())
    async with running(informer):
        await client.create(POD, "default", {"metadata": {"name": "p"}, "spec": spec})
        binding = {"metadata": {"name": "p"}, "target": {"name": "node-1"}}
        await client.create(POD, "default", binding, subresource="binding")
        await until(lambda: diary.lines == ["add p"])


class Flaky(InProcessClient):
    """A client whose watches end and whose lists fail when the test says so."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self.failures = 0
        self.lists = 0

    async def list(self, *arguments: Any, **selectors: Any) -> Any:
        self.lists += 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("down")
        return await super().list(*arguments, **selectors)


async def test_after_a_lost_watch_it_tells_the_difference(registry: Registry, until: Until) -> None:
    """Gone: it lists again; what went, came and changed meanwhile is told once each."""
    client, diary = Flaky(registry), Diary()
    for name in ("gone", "changed", "same", "reborn"):
        await client.create(CONFIG_MAP, "default", config(name))
    informer = Informer(client, CONFIG_MAP, "default")
    informer.add_handler(diary.handler())
    async with running(informer):
        diary.lines.clear()
        for watcher in registry.store.watchers():
            watcher._lost = True  # as if it had fallen behind
            watcher.close()
        # Written before the informer gets its turn: it has to find out by listing.
        registry.delete(CONFIG_MAP, "default", "gone", DeleteOptions())
        registry.delete(CONFIG_MAP, "default", "reborn", DeleteOptions())
        registry.create(CONFIG_MAP, "default", config("reborn"))
        registry.create(CONFIG_MAP, "default", config("new"))
        registry.patch(
            CONFIG_MAP, "default", "changed", {"data": {"x": "1"}}, patch_type=PatchType.MERGE
        )
        await until(lambda: "add new" in diary.lines)
    assert sorted(diary.lines) == [
        "add new", "add reborn", "delete gone", "delete reborn", "update changed",
    ]  # fmt: skip


async def test_it_survives_a_server_that_is_down(registry: Registry) -> None:
    """It tries again, with growing waits."""
    client = Flaky(registry)
    client.failures = 2
    async with running(Informer(client, CONFIG_MAP)):
        assert client.lists == 3


def test_one_function_for_all_changes() -> None:
    """on_any is told the newest state."""
    seen: list[Any] = []
    handler = Handler.on_any(seen.append)
    old, new = {"v": 1}, {"v": 2}
    handler.on_add(old)
    handler.on_update(old, new)
    handler.on_delete(new)
    assert seen == [old, new, new]
    Handler().on_update(old, new)
    Handler().on_add(old)
