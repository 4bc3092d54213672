"""One file as the text of a variable."""

from __future__ import annotations

from typing import Final

from podready.runtime.settings.load import UnusableError

_MOST: Final = 1024 * 1024
"""Kubernetes' own limit for a Secret or ConfigMap, in bytes."""


def read_text(path: str, name: str, *, strip: bool = True) -> str:
    """Return what is in a file, without one newline at its end; UnusableError if it cannot be."""
    try:
        with open(path, encoding="utf-8", newline="") as file:  # pathlib costs 4 ms at start
            text = file.read(_MOST + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnusableError(name, f"cannot read {_shown(path)}: {reason}") from None
    except ValueError:  # bytes that are not UTF-8, or a path with a null character
        raise UnusableError(name, f"{_shown(path)} is not a text file") from None
    if len(text) > _MOST:
        raise UnusableError(name, f"{_shown(path)} is larger than 1 MiB")
    return text.removesuffix("\n").removesuffix("\r") if strip else text


def _shown(path: str) -> str:
    """Return a path as it may be shown: what does not look like one may be the value itself."""
    if not path.startswith(("/", ".", "~")):
        return "(hidden: it does not begin with / or .)"
    from podready.runtime.settings.report import quote

    return quote("", path, secret=False)
