"""The encoder: whatever is logged, one line of valid JSON comes out."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import podready
from podready.runtime.logs.encoder import JSON, Encoder, orjson_encoder
from podready.runtime.logs.formats.parts import Details, SourceLocation
from podready.runtime.logs.log import Log
from podready.runtime.logs.options import LogOptions

ENCODERS = {"json": JSON, "orjson": orjson_encoder()}


@pytest.fixture(scope="module", params=["json", "orjson"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Give the standard library's encoder and orjson's."""
    return ENCODERS[request.param]


class Hostile:
    """Raises whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__

    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("no")


class HostileDict(dict[Any, Any]):
    def items(self) -> Any:
        raise RuntimeError("no")


class Wrapped(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")


def circular() -> list[Any]:
    """Return a list that contains itself many times over."""
    loop: list[Any] = []
    loop += [loop] * 50
    return loop


def deep() -> list[Any]:
    """Return a list far deeper than any encoder follows."""
    nest: list[Any] = []
    for _ in range(5000):
        nest = [nest]
    return nest


class Colour(enum.Enum):
    RED = "r"


@dataclasses.dataclass
class Account:
    name: str
    password: str = dataclasses.field(repr=False)


def decoded(encoder: Encoder, value: object) -> Any:
    """Return what a collector reads of an event with one field."""
    line = encoder.encode({"severity": "INFO", "value": value})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "read"),
    [
        (float("nan"), None),
        (float("inf"), None),
        ("\ud800", "\\ud800"),
        ({1: 2, None: 3}, {"1": 2, "null": 3}),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        ({"a"}, ["a"]),
        (b"caf\xc3\xa9\xff", "caf\xe9\\xff"),
        (Colour.RED, "r"),
        (ValueError("bad"), "ValueError: bad"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.date(2026, 11, 23), "2026-11-23"),
        ("a\nb\u2028", "a\nb\u2028"),
        (podready.Secret("hunter2"), "**********"),
    ],
)
def test_values_that_json_does_not_know(encoder: Encoder, value: object, read: object) -> None:
    """Each has a form of its own; none loses the line."""
    assert decoded(encoder, value)["value"] == read


def test_a_number_over_64_bits_keeps_its_digits(encoder: Encoder) -> None:
    """As a number or as a text, depending on the encoder."""
    assert int(decoded(encoder, 2**80)["value"]) == 2**80


@pytest.mark.parametrize(
    "value",
    [
        Hostile(),
        [Hostile()],
        {Hostile(): 1},
        HostileDict(a=1),
        Wrapped("x"),
        circular(),
        deep(),
        10**5000,
        {"k": circular(), "big": 2**70},
    ],
    ids=lambda value: type(value).__name__,
)
def test_hostile_values_are_replaced(encoder: Encoder, value: object) -> None:
    """Objects whose methods raise, circles, and depths beyond all stacks."""
    assert decoded(encoder, value)["severity"] == "INFO"


def test_a_dataclass_is_logged_as_its_repr(encoder: Encoder) -> None:
    """So a field with repr=False stays out of the log."""
    assert decoded(encoder, Account("ada", "hunter2"))["value"].endswith("Account(name='ada')")


def test_the_reason_of_a_replacement_is_in_the_line(encoder: Encoder) -> None:
    """log_error says why a value was replaced."""
    assert "log_error" in decoded(encoder, circular())


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.decimals()
    | st.builds(Hostile)
    | st.builds(object)
    | st.sampled_from(Colour),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text(st.characters()) | st.integers() | st.none() | st.tuples(st.integers()), inner
        )
        | st.sets(st.integers())
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_any_value_is_one_line_of_json(encoder: Encoder, value: object) -> None:
    """Whatever Python can hold."""
    assert decoded(encoder, value)["severity"] == "INFO"


@pytest.mark.slow
@settings(deadline=None)
@given(st.dictionaries(st.text(st.characters()), ANYTHING, max_size=5))
def test_any_fields_are_one_line_of_json(encoder: Encoder, fields: dict[str, Any]) -> None:
    """Keys are as hostile as values."""
    line = encoder.encode({**fields, "severity": "INFO"})
    assert line.count(b"\n") == 1
    assert json.loads(line)["severity"] == "INFO"


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    fields=st.dictionaries(st.text(st.characters()), ANYTHING, max_size=5),
    message=st.text(st.characters()),
    format_=st.sampled_from(["gcp", "otel", "ecs", "datadog"]),
)
def test_any_fields_in_any_format_are_one_short_line_of_json(
    encoder: Encoder, fields: dict[str, Any], message: str, format_: str
) -> None:
    """Context, redaction, format, limit: never an exception, never two lines."""
    output = Log()
    output.encoder = encoder
    output.choose(LogOptions(format=format_, max_line=2000))
    line = output.line(
        30, message, "shop", 0.5, fields, Details(SourceLocation("f", 1, "g"), KeyError("k"))
    )
    assert line.count(b"\n") == 1
    assert len(line) <= 2000
    assert isinstance(json.loads(line), dict)
