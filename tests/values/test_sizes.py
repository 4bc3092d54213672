"""Sizes: one grammar for flags, variables and settings; what is written can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.values.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("512Mi", 2**29),
        ("1Gi", 2**30),
        ("1.5Gi", 3 * 2**29),
        ("500M", 500_000_000),
        ("64k", 64_000),
        (" 2Ki ", 2048),
        ("0.3k", 300),
        ("64MiB", 64 * 2**20),
        ("10MB", 10_000_000),
        ("10 kB", 10_000),
        ("2K", 2000),
        ("100B", 100),
    ],
)
def test_reads(text: str, size: int) -> None:
    """Kubernetes' units, with or without a B; exactly, without a detour over floating point."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "64m", "64mb", "-1", "1e3", "Mi", "MiB", "٣Mi", "1 000", "9" * 200]
)
def test_what_could_mean_anything_is_refused(text: str) -> None:
    """`m` is a thousandth in Kubernetes and a million elsewhere."""
    with pytest.raises(ValueError, match="a size such as 64MiB, 512Mi"):
        parse_size(text)


@pytest.mark.slow
@given(st.integers(min_value=0, max_value=2**80))
def test_every_size_reads_back(size: int) -> None:
    """format_size and parse_size are inverse."""
    assert parse_size(format_size(size)) == size


@pytest.mark.slow
@given(st.text())
def test_any_text_gives_a_size_or_a_value_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        assert parse_size(text) >= 0
    except ValueError:
        pass
