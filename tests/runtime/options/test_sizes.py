"""Sizes in flags: the forms of Kubernetes, and no others."""

from __future__ import annotations

import pytest

from podready.runtime.options.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 2**20),
        ("512Mi", 2**29),
        ("1Gi", 2**30),
        ("1.5Gi", 3 * 2**29),
        ("500M", 500_000_000),
        ("64k", 64_000),
        (" 2Ki ", 2048),
        ("0.3k", 300),
    ],
)
def test_reads(text: str, size: int) -> None:
    """Exactly, without a detour over floating point."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "64m", "512mb", "512MiB", "7B", "1K", "1 Ki", "-1", "1e3", "Mi", "٣Mi", "9" * 200],
)
def test_refuses(text: str) -> None:
    """Everything else is refused with the expected form."""
    with pytest.raises(ValueError, match="512Mi"):
        parse_size(text)
