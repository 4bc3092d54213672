"""The only module that prints."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print `text` on stdout."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print `text` on stderr."""
    print(text, file=sys.stderr, flush=True)
