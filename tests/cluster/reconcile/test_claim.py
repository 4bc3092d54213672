"""Adoption and release at their edges: owners that die, objects that are gone."""

from __future__ import annotations

from typing import Any

import pytest

from podready.cluster.apiserver.registry import Registry
from podready.cluster.client.in_process import InProcessClient
from podready.cluster.reconcile.claim import Claim
from podready.kube.gvk import CONFIG_MAP
from podready.kube.labels import from_map
from podready.kube.meta import Object, controller_of, copy_of, name_of, owner_reference
from podready.kube.status import Conflict

SELECTOR = from_map({"app": "web"})


@pytest.fixture
async def client(clock: Any) -> InProcessClient:
    """Return a client of an API server in memory."""
    return InProcessClient(Registry(clock=clock))


async def make(
    client: InProcessClient, name: str, app: str = "web", owner: Object | None = None
) -> Object:
    """Create an object with a label, and perhaps a controller."""
    meta: Object = {"name": name, "labels": {"app": app}}
    if owner is not None:
        meta["ownerReferences"] = [owner_reference(owner, CONFIG_MAP)]
    return await client.create(CONFIG_MAP, "default", {"metadata": meta})


def claim_of(client: InProcessClient, owner: Object) -> Claim:
    """Return the owner's claim on everything labelled app=web."""
    return Claim(client, owner, CONFIG_MAP, CONFIG_MAP, SELECTOR)


async def test_one_takes_what_matches_and_leaves_what_is_taken(client: InProcessClient) -> None:
    """Orphans that match are adopted; others' objects and other orphans are left alone."""
    owner, other = await make(client, "owner", "none"), await make(client, "other", "none")
    orphan, unmatched = await make(client, "orphan"), await make(client, "unmatched", "db")
    mine, taken = (
        await make(client, "mine", "web", owner),
        await make(client, "taken", "web", other),
    )
    claimed = await claim_of(client, owner).claim([orphan, unmatched, mine, taken])
    assert [name_of(obj) for obj in claimed] == ["orphan", "mine"]
    assert (controller_of(claimed[0]) or {})["name"] == "owner"
    live = await client.get(CONFIG_MAP, "default", "orphan")
    assert (controller_of(live) or {})["name"] == "owner"


async def test_an_owner_that_was_just_deleted_adopts_nobody(client: InProcessClient) -> None:
    """The cache still shows the owner, the API an object of the same name: no adoption."""
    owner, orphan = await make(client, "owner", "none"), await make(client, "orphan")
    await client.delete(CONFIG_MAP, "default", "owner")
    await make(client, "owner", "none")
    with pytest.raises(Conflict, match="just deleted"):
        await claim_of(client, owner).claim([orphan])


async def test_a_dying_owner_neither_adopts_nor_releases(client: InProcessClient) -> None:
    """Marked for deletion: orphans stay orphans, and what matches no more stays its own."""
    owner = await make(client, "owner", "none")
    orphan, mine = await make(client, "orphan"), await make(client, "mine", "db", owner)
    dying = copy_of(owner)
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    claimed = await claim_of(client, dying).claim([orphan, mine])
    assert [name_of(obj) for obj in claimed] == ["mine"]


async def test_an_orphan_that_is_gone_is_not_claimed(client: InProcessClient) -> None:
    """Deleted between the cache and the adoption: nobody's."""
    owner, orphan = await make(client, "owner", "none"), await make(client, "orphan")
    await client.delete(CONFIG_MAP, "default", "orphan")
    assert await claim_of(client, owner).claim([orphan]) == []


async def test_a_changed_orphan_is_a_conflict(client: InProcessClient) -> None:
    """Somebody wrote to it since: adopting from the old state would undo that."""
    owner, orphan = await make(client, "owner", "none"), await make(client, "orphan")
    await client.patch(CONFIG_MAP, "default", "orphan", {"data": {"a": "b"}})
    with pytest.raises(Conflict):
        await claim_of(client, owner).claim([orphan])
