"""Every type of settings: reads what str() writes, refuses the rest without repeating it."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import uuid
import zoneinfo
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Final, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.runtime.settings.parsers import parser_for
from podready.runtime.settings.types.texts import text_of
from podready.runtime.settings.variable import Declaration
from podready.settings import ByteSize, LogLevel, Url

pytestmark = pytest.mark.slow


class Colour(Enum):
    RED = "r"
    GREEN = "g"


SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text(min_size=1)),
    (bytes, st.binary(min_size=1)),
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (Colour, st.sampled_from(Colour)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (dt.timedelta, st.timedeltas(min_value=dt.timedelta(0), max_value=dt.timedelta(days=1000))),
    (dt.datetime, st.datetimes()),
    (dt.date, st.dates()),
    (dt.time, st.times()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (uuid.UUID, st.uuids()),
    (ipaddress.IPv4Address, st.ip_addresses(v=4)),
    (ipaddress.IPv6Address, st.ip_addresses(v=6)),
    (ipaddress.IPv4Interface, st.ip_addresses(v=4).map(ipaddress.IPv4Interface)),
    (ipaddress.IPv6Interface, st.ip_addresses(v=6).map(ipaddress.IPv6Interface)),
    (zoneinfo.ZoneInfo, st.sampled_from(["UTC", "Europe/Madrid"]).map(zoneinfo.ZoneInfo)),
    (ByteSize, st.integers(min_value=0).map(ByteSize)),
    (LogLevel, st.sampled_from(LogLevel)),
    (Url, st.sampled_from(["http://h/p", "redis://u:p@h:1/0"]).map(Url)),
    (Path, st.sampled_from([Path("/a/b"), Path("c")])),
]
PLAIN = Declaration()


@pytest.mark.parametrize(("hint", "values"), SCALARS, ids=lambda each: str(each)[:40])
def test_every_value_reads_back_from_its_text(hint: Any, values: st.SearchStrategy[Any]) -> None:
    """text_of, which writes manifests and .env files, is the parser's inverse."""

    @given(values)
    def check(value: Any) -> None:
        assert parser_for(hint).parse(text_of(value, PLAIN)) == value

    check()


@pytest.mark.parametrize(("hint", "values"), SCALARS, ids=lambda each: str(each)[:40])
def test_every_list_and_map_reads_back_from_its_text(
    hint: Any, values: st.SearchStrategy[Any]
) -> None:
    """Also where an item contains the separator, or looks like JSON."""

    @given(st.lists(values, max_size=4), st.dictionaries(st.text(), values, max_size=3))
    def check(items: list[Any], pairs: dict[str, Any]) -> None:
        text = text_of(items, PLAIN)
        assert parser_for(list[hint]).parse(text) == items
        assert parser_for(dict[str, hint]).parse(text_of(pairs, PLAIN)) == pairs

    check()


@pytest.mark.parametrize("hint", [hint for hint, _ in SCALARS], ids=lambda each: str(each)[:40])
def test_any_text_gives_a_value_or_a_value_error(hint: Any) -> None:
    """Nothing else comes out of any parser, alone or in a collection."""

    @given(st.text())
    def check(text: str) -> None:
        for kind in (hint, list[hint], tuple[hint, hint], dict[str, hint], hint | None):
            try:
                parser_for(kind).parse(text)
            except ValueError:
                pass

    check()


@pytest.mark.parametrize(
    "hint",
    [hint for hint, _ in SCALARS if hint not in (str, bytes, Path)],
    ids=lambda each: str(each)[:40],
)
def test_a_refusal_never_repeats_the_text(hint: Any) -> None:
    """It may be a secret."""
    with pytest.raises(ValueError, match="is not") as raised:
        parser_for(hint).parse("hunter2!")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (Final[int], "1", 1),
        (Iterable[int], "1,2", (1, 2)),
        (Collection[str], "a", ("a",)),
        (PurePath, "/a", PurePath("/a")),
        (Optional[list[int]], "1", [1]),  # noqa: UP045 - what people write
    ],
)
def test_further_ways_to_write_a_type(hint: Any, text: str, value: Any) -> None:
    """They read as the type that they mean."""
    found = parser_for(hint).parse(text)
    assert (type(found), found) == (type(value), value)
