"""Sizes in bytes as people write them in configuration: `64MiB`, `512Mi`, `10MB`, `1048576`."""

from __future__ import annotations

import re
from typing import Final

_POWERS: Final = "kMGTPE"
_UNITS: Final = {
    "": 1,
    **{f"{unit}i": 1024 ** (power + 1) for power, unit in enumerate("KMGTPE")},
    **{unit: 1000 ** (power + 1) for power, unit in enumerate(_POWERS)},
    "K": 1000,
}
_SIZE: Final = re.compile(r"(\d+)(?:\.(\d+))? ?([KMGTPE]i|[kKMGTPE]|)B?", re.ASCII)


class ByteSize(int):
    """A number of bytes; as a field's type it reads `64MiB`.

    Units are Kubernetes' own (`Ki` = 1024, `k` = 1000), with or without a B at the end. Not for
    `m`, which is a thousandth there and a million elsewhere.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"ByteSize({format_size(self)!r})"

    def __str__(self) -> str:
        return int.__repr__(self)


def parse_size(text: str) -> ByteSize:
    """Return the bytes, rounded down; ValueError for what is no size."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or len(text) > 100:
        raise ValueError("is not a size such as 64MiB, 512Mi, 10MB or 1048576")
    fraction = match[2] or ""
    return ByteSize(int(match[1] + fraction) * _UNITS[match[3]] // 10 ** len(fraction))


def format_size(size: int) -> str:
    """Return the shortest text that `parse_size` reads back as the same size."""
    texts = [f"{size // unit}{name}B" for name, unit in _UNITS.items() if name and not size % unit]
    return min([str(size), *texts], key=len) if size else "0"
