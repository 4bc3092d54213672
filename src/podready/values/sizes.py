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
_SIZE: Final = re.compile(r"(\d+)(?:\.(\d+))? ?([KMGTPE]i|[kKMGTPE]|)B?", re.ASCII)
_MAX_LENGTH: Final = 100


def parse_size(text: str) -> int:
    """Return the bytes that `text` stands for, rounded down; a B at the end adds nothing.

    Raises ValueError with the expected form when it is no size.
    """
    match = _SIZE.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError("a size such as 64MiB, 512Mi, 10MB or 1048576")
    fraction = match[2] or ""
    scale: int = 10 ** len(fraction)
    return int(match[1] + fraction) * _UNITS[match[3]] // scale


def format_size(size: int) -> str:
    """Return the shortest text that `parse_size` reads back as the same size."""
    texts = [f"{size // unit}{name}B" for name, unit in _UNITS.items() if name and not size % unit]
    return min([str(size), *texts], key=len) if size else "0"
