"""Resource quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest

from podready.kube.quantity import divide_up, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"), ("1", "1"), (2, "2"), ("1.5", "1.5"), (".5", "0.5"), ("1Gi", str(2**30)),
        ("1G", "1e9"), ("1.5Ki", "1536"), ("1e3", "1000"), ("2E", "2e18"), ("-1", "-1"),
        ("3n", "3e-9"),
    ],
)  # fmt: skip
def test_quantities(text: str | int, value: str) -> None:
    """Decimal, binary and exponent suffixes."""
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "x", "1KiB", "1 Gi", "1.2.3", "Gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """A typo in a limit must not become a number."""
    with pytest.raises(ValueError, match="quantities must match"):
        parse_quantity(text)


def test_a_resource_field_is_rounded_up_to_its_divisor() -> None:
    """250m CPU with divisor 1 is 1 in the environment; with 1m it is 250."""
    assert divide_up("250m") == 1
    assert divide_up("250m", "1m") == 250
    assert divide_up("128Mi", "1Mi") == 128
