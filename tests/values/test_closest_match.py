"""Misspelt names: what people type is found, what others set is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.values.closest_match import closest_match

KNOWN = ["SHOP_PORT", "SHOP_DATABASE_URL", "SHOP_DEPLOYMENT_NAME", "SHOP_KEY", "SHOP_X"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SHOP_PROT", "SHOP_PORT"),
        ("SHOP_PRT", "SHOP_PORT"),
        ("SHOP_PORTS", "SHOP_PORT"),
        ("shop_port", "SHOP_PORT"),
        ("SHPO_PORT", "SHOP_PORT"),
        ("SHOP_KYE", "SHOP_KEY"),
        ("SHOP_DATABASEURL", "SHOP_DATABASE_URL"),
        ("SHOP_DTABASE_ULR", "SHOP_DATABASE_URL"),
        ("SHOP_DATABASE_URI", "SHOP_DATABASE_URL"),
    ],
)
def test_slips_of_the_hand_are_found(name: str, meant: str) -> None:
    """A letter too many, too few, wrong or swapped, and a forgotten line."""
    assert closest_match(name, KNOWN) == meant


@pytest.mark.parametrize(
    "name",
    ["SHOP_DEPLOYMENT_ID", "SHOP_HOST", "SHOP_Y", "SHOP_DATABASE_POOL", "SHOP_CACHE_URL", "SHOP"],
)
def test_other_words_are_other_names(name: str) -> None:
    """However much of the rest is the same: an app must not refuse to start for them."""
    assert closest_match(name, KNOWN) is None


@pytest.mark.slow
@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=4))
def test_what_is_found_is_known(name: str, known: list[str]) -> None:
    """Whatever the texts are; and a known name is found as itself."""
    assert closest_match(name, known) in {None, *known}
    assert closest_match(name, [*known, name]) is not None
