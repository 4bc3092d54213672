"""Booleans: eight words, in any case."""

from __future__ import annotations

import pytest

from podready.values import parse_boolean


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        (" YES ", True),
        ("1", True),
        ("on", True),
        ("False", False),
        ("no", False),
        ("0", False),
        ("OFF", False),
    ],
)
def test_reads(text: str, value: bool) -> None:
    """Blanks around them do not count."""
    assert parse_boolean(text) is value


@pytest.mark.parametrize("text", ["", "2", "y", "enabled", "truefalse"])
def test_refuses(text: str) -> None:
    """Everything else is refused with what was expected."""
    with pytest.raises(ValueError, match="a boolean: use true or false"):
        parse_boolean(text)
