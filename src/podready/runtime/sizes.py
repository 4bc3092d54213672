"""Sizes as Kubernetes writes them: `512Mi`, `1Gi`, `500M`."""

from __future__ import annotations

import re

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|k|M|G|)")


def parse_size(text: str) -> int:
    """Return the bytes that `text` stands for; raises ValueError with the expected form."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a size such as 512Mi or 1Gi")
    return int(float(match[1]) * _UNITS[match[2]])
