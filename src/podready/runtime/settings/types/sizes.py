"""Sizes in bytes as a type of settings."""

from __future__ import annotations

from typing import Self

from podready.values.sizes import format_size, parse_size


class ByteSize(int):
    """A number of bytes; as a field's type it reads `64MiB`.

    Units are Kubernetes' own (`Ki` = 1024, `k` = 1000), with or without a B at the end. Not for
    `m`, which is a thousandth there and a million elsewhere.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the bytes, rounded down; ValueError for any other text."""
        try:
            return cls(parse_size(text))
        except ValueError as error:
            raise ValueError(f"is not {error}") from None

    def __repr__(self) -> str:
        return f"ByteSize({format_size(self)!r})"

    def __str__(self) -> str:
        return int.__repr__(self)
