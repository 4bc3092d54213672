"""A `Settings` class beside a frozen dataclass with the same fields: both behave the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

import podready


@dataclasses.dataclass(frozen=True, kw_only=True)
class Real:
    """The standard library's."""

    port: int = 80
    name: str
    hosts: list[str] = dataclasses.field(default_factory=list)


class Ours(podready.Settings):
    """The same fields."""

    port: int = 80
    name: str
    hosts: list[str] = podready.var(default=[])


KINDS: list[Any] = [Real, Ours]


def same(results: list[Any]) -> Any:
    """Return what both kinds gave, which has to be the same."""
    assert results[0] == results[1]
    return results[0]


def test_fields_replace_and_asdict() -> None:
    """The functions of `dataclasses`."""
    assert same([[(f.name, f.kw_only) for f in dataclasses.fields(kind)] for kind in KINDS])
    changed = [dataclasses.replace(kind(name="a"), port=1) for kind in KINDS]
    assert same([dataclasses.asdict(each) for each in changed]) == {
        "port": 1,
        "name": "a",
        "hosts": [],
    }
    assert [type(each) for each in changed] == KINDS
    assert all(dataclasses.is_dataclass(kind) for kind in KINDS)


def test_repr_and_equality() -> None:
    """By the values of the fields, among instances of the same class."""
    assert same([repr(kind(name="a")).partition("(")[2] for kind in KINDS])
    assert same([kind(name="a") == kind(name="a") for kind in KINDS]) is True
    assert same([kind(name="a") == kind(name="b") for kind in KINDS]) is False
    assert same([kind(name="a") == "a" for kind in KINDS]) is False


def test_hash() -> None:
    """By the values too, so that a list makes it unhashable."""
    for kind in KINDS:
        assert hash(kind(name="a", hosts=())) == hash(kind(name="a", hosts=()))
        with pytest.raises(TypeError, match="unhashable"):
            hash(kind(name="a"))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_can_be_changed(kind: Any) -> None:
    """Neither set nor deleted, fields and others."""
    instance = kind(name="a")
    for name in ("port", "other"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(instance, name, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del instance.port


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [{}, {"name": "a", "prot": 1}])
def test_a_wrong_call_is_a_type_error(kind: Any, values: dict[str, Any]) -> None:
    """A value that is missing, and one that has no field."""
    with pytest.raises(TypeError, match="name" if not values else "prot"):
        kind(**values)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_equal(kind: Any) -> None:
    """Shallow, deep, and through pickle."""
    instance = kind(name="a", hosts=["x"])
    copies = [copy.copy(instance), copy.deepcopy(instance), pickle.loads(pickle.dumps(instance))]
    assert copies == [instance] * 3
