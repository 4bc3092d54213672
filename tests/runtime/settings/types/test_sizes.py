"""Sizes of settings: what is written can be read, and nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.runtime.settings.types.sizes import ByteSize


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("64MiB", 64 * 2**20),
        ("512Mi", 2**29),
        ("1.5GiB", 3 * 2**29),
        ("10MB", 10_000_000),
        ("10 kB", 10_000),
        ("2K", 2000),
        ("100B", 100),
    ],
)
def test_units_are_kubernetes_own(text: str, size: int) -> None:
    """Ki is 1024, k is 1000; a B at the end says nothing new."""
    assert ByteSize.parse(text) == size


@pytest.mark.parametrize("text", ["", "64m", "64mb", "-1", "1e3", "MiB", "٣Mi", "1 000", "9" * 200])
def test_what_could_mean_anything_is_refused(text: str) -> None:
    """`m` is a thousandth in Kubernetes and a million elsewhere."""
    with pytest.raises(ValueError, match="is not a size"):
        ByteSize.parse(text)


def test_a_size_is_a_number() -> None:
    """It can be compared, added and formatted like the int it is."""
    size = ByteSize(2**20)
    assert size + 1 == 1048577
    assert (repr(size), str(size), f"{size}", f"{size:,}") == (
        "ByteSize('1MiB')", "1048576", "1048576", "1,048,576",
    )  # fmt: skip


@pytest.mark.slow
@given(st.text())
def test_any_text_gives_a_size_or_a_value_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        assert ByteSize.parse(text) >= 0
    except ValueError:
        pass
