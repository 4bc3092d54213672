"""Sizes in bytes: as Kubernetes writes them (`512Mi`), and as people do (`64MiB`, `10 kB`)."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final[dict[str, int]] = {
    "": 1,
    **{f"{unit}i": 1024 ** (power + 1) for power, unit in enumerate("KMGTPE")},
    **{unit: 1000 ** (power + 1) for power, unit in enumerate("kMGTPE")},
    "K": 1000,
}
"""Kubernetes' own: `Ki` is 1024, `k` is 1000.

Without `m`, which is a thousandth there and a million elsewhere.
"""
_SIZE: Final = re.compile(r"(\d+)(?:\.(\d+))?( ?)([KMGTPE]i|[kKMGTPE]|)(B?)", re.ASCII)
_LONGEST: Final = 100


def parse_size(text: str) -> int:
    """Return the bytes that `text` stands for, rounded down.

    For podready's own settings, which are written as resources are in manifests: no B at the end,
    no blank, no `K`. Raises ValueError with the expected form when it is none.
    """
    match = _match(text)
    if match is None or match[3] or match[4] == "K" or match[5]:
        raise ValueError("a size such as 512Mi or 1Gi")
    return _bytes(match)


def parse_byte_size(text: str) -> int:
    """Return the bytes, rounded down; a B at the end says nothing new.

    For the settings of apps, whose error says what follows the value: `"64m" is not ...`.
    """
    match = _match(text)
    if match is None:
        raise ValueError("is not a size such as 64MiB, 512Mi, 10MB or 1048576")
    return _bytes(match)


def _match(text: str) -> re.Match[str] | None:
    return _SIZE.fullmatch(text.strip()) if len(text) <= _LONGEST else None


def _bytes(match: re.Match[str]) -> int:
    fraction = match[2] or ""
    scale: int = 10 ** len(fraction)
    return int(match[1] + fraction) * _UNITS[match[4]] // scale


def format_size(size: int) -> str:
    """Return the shortest text that `parse_byte_size` reads back as the same size."""
    texts = [f"{size // unit}{name}B" for name, unit in _UNITS.items() if name and not size % unit]
    return min([str(size), *texts], key=len) if size else "0"
