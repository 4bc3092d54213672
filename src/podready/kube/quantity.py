"""Resource quantities: `250m`, `1.5Gi`, `1e3` (k8s.io/apimachinery/pkg/api/resource)."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))"
    r"(?:(?P<binary>[KMGTPE]i)|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?\d+))?"
)
_BINARY = {
    unit: Decimal(1024) ** (n + 1) for n, unit in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
}
_DECIMAL = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
}


def parse_quantity(value: str | float) -> Decimal:
    """Return the value of a quantity (cores, bytes, …); ValueError when it is none."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        raise ValueError(
            f"quantities must match the regular expression "
            f"'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': {value!r}"
        )
    number = Decimal(found["number"])
    if found["binary"]:
        return number * _BINARY[found["binary"]]
    if found["decimal"]:
        return number * _DECIMAL[found["decimal"]]
    if found["exponent"]:
        return number * Decimal(10) ** int(found["exponent"])
    return number


def divide_up(value: str | float, divisor: str | float = 1) -> int:
    """Return value / divisor rounded up: how resourceFieldRef fills an environment variable."""
    unit = parse_quantity(divisor) or Decimal(1)
    return int((parse_quantity(value) / unit).to_integral_value(rounding=ROUND_UP))
