"""Secrets of the runtime itself, which come in files as Kubernetes mounts them."""

from __future__ import annotations

_SHORTEST = 16
_LONGEST_FILE = 4096


def read_secret(source: str, path: str) -> str:
    """Return the text of a secret's file without the newline at its end.

    `source` is the flag or variable that named the file; raises ValueError with a sentence that
    names it and never the file's content.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(_LONGEST_FILE).rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{source}: {path} is not text") from None
    except OSError as error:
        raise ValueError(f"{source}: cannot read {path}: {error.strerror}") from None


def parse_token(text: str) -> str:
    """Return the token; raises ValueError for one that is short or cannot stand in a header."""
    if len(text) < _SHORTEST or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"at least {_SHORTEST} printable ASCII characters without spaces")
    return text
