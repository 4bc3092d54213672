"""Revision numbers and what a ReplicaSet remembers of its Deployment."""

from __future__ import annotations

import pytest

from podready.cluster.controllers.deployment.revisions import (
    DESIRED_REPLICAS,
    LAST_APPLIED,
    MAX_REPLICAS,
    REVISION,
    REVISION_HISTORY,
    Rollout,
    new_annotations,
    next_revision,
    revision_of,
    size_annotations,
)
from podready.kube.meta import Object, name_of
from podready.kube.rollout import Bounds


def annotated(**annotations: str) -> Object:
    """Return an object with annotations; `revision` and `history` by their short names."""
    names = {"revision": REVISION, "history": REVISION_HISTORY}
    return {"metadata": {"annotations": {names.get(k, k): v for k, v in annotations.items()}}}


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("x", 0), ("", 0), ("-1", 0)])
def test_revision_of(text: str, number: int) -> None:
    """A malformed number counts as none."""
    assert revision_of(annotated(revision=text)) == number
    assert revision_of({"metadata": {}}) == 0


def test_next_revision_is_beyond_all_old_ones() -> None:
    """1 for the first; one more than the highest, whatever the order."""
    assert next_revision([]) == 1
    assert next_revision([annotated(revision="4"), annotated(revision="9"), annotated()]) == 10


def test_new_annotations_copy_what_people_wrote() -> None:
    """change-cause is copied; kubectl's own and the Deployment's numbers are not."""
    deployment = annotated(revision="1", cause="faster")
    deployment["metadata"]["annotations"][LAST_APPLIED] = "{}"
    assert new_annotations(deployment, None, 2) == {REVISION: "2", "cause": "faster"}


def test_rollback_keeps_the_history() -> None:
    """A set that was 1 and 3 becomes 5: the history says 1,3."""
    existing = annotated(revision="3", history="1")
    found = new_annotations(annotated(), existing, 5)
    assert (found[REVISION], found[REVISION_HISTORY]) == ("5", "1,3")


def test_a_higher_number_stays() -> None:
    """Older sets were cleaned away: the new one keeps its number."""
    assert new_annotations(annotated(), annotated(revision="7"), 2) == {REVISION: "7"}


def test_history_has_a_longest_length() -> None:
    """After very many rollbacks the oldest numbers are dropped."""
    existing = annotated(revision="1000", history=",".join(map(str, range(100, 600))))
    history = new_annotations(annotated(), existing, 1001)[REVISION_HISTORY]
    assert len(history) <= 2000
    assert history.endswith(",599,1000")


def test_size_annotations() -> None:
    """A set remembers the wanted replicas and the most allowed."""
    assert size_annotations(Bounds(3, 1, 0)) == {DESIRED_REPLICAS: "3", MAX_REPLICAS: "4"}


def test_the_oldest_matching_set_is_the_new_one() -> None:
    """Two sets with the Deployment's template: the older is taken, the other is an old one."""

    def rs(name: str, created: str, image: str) -> Object:
        template = {"metadata": {}, "spec": {"image": image}}
        meta = {"name": name, "creationTimestamp": created}
        return {"metadata": meta, "spec": {"template": template, "replicas": 1}}

    sets = [rs("c", "2026-03", "2"), rs("a", "2026-01", "1"), rs("b", "2026-02", "2")]
    rollout = Rollout.of(rs("web", "", "2"), sets)
    assert name_of(rollout.new or {}) == "b"
    assert [name_of(old) for old in rollout.old] == ["a", "c"]
    assert [name_of(found) for found in rollout.sets] == ["a", "c", "b"]
    rollout.put({**sets[1], "spec": {**sets[1]["spec"], "replicas": 0}})
    assert [name_of(found) for found in rollout.active] == ["c", "b"]
