"""The only module that prints."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print `text` on stdout."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print `text` on stderr; that nobody can read it there changes no exit code."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # a full disk, or a reader that is gone
        pass
