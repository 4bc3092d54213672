"""The process's environment as a source of values, `NAME_FILE` included."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from podready.runtime.settings.report import Problem

FILE_SUFFIX: Final = "_FILE"
"""`NAME_FILE` holds the path of a file with the value, as for mounted Secrets."""

ENVIRONMENT: Final = "environment"
"""What reports call the source of a variable that is in the environment."""

_MAX_BYTES: Final = 1024 * 1024
"""Kubernetes' own limit for a Secret or ConfigMap."""

removed_secrets: dict[str, str] = {}
"""Secrets that `unset_secrets` took out of the environment, for later loads in this process."""


class RawValue:
    """The text of a variable and the source that it came from, as reports call it."""

    __slots__ = ("source", "text")

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source


class SourceError(Exception):
    """A variable is set but cannot be read: its name, and the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


class Environment:
    """A mapping of names to texts: the process's environment, or the entries of a `.env`."""

    def __init__(
        self, values: Mapping[str, str], declared: set[str], source: str = ENVIRONMENT
    ) -> None:
        self.values, self._source = values, source
        self._declared = (
            declared  # a declared variable that ends in _FILE is not the path of another
        )
        self.problems: Sequence[Problem] = ()

    def find(self, name: str, aliases: tuple[str, ...] = ()) -> RawValue | None:
        """Return the value of the first name that is set; SourceError if it cannot be read."""
        for each in (name, *aliases) if aliases else (name,):
            raw = self._value(each)
            if raw is not None:
                return raw
        return None

    def _value(self, name: str) -> RawValue | None:
        """Return NAME, or what is in the file of NAME_FILE."""
        text = self.values.get(name)
        file_name = name + FILE_SUFFIX
        path = self.values.get(file_name)
        if path is None or file_name in self._declared:
            return None if text is None else RawValue(text, self._source)
        if text is not None:
            raise SourceError(name, f"both {name} and {file_name} are set")
        if not path:
            raise SourceError(file_name, "set but empty")
        return RawValue(read_text(path, file_name), f"file {path}")

    def names(self) -> Iterable[str]:
        """Return the names that are set."""
        return self.values


def process_environment() -> dict[str, str]:
    """Return the environment of the process, with the secrets that were removed from it."""
    while True:
        try:
            now = {**os.environ}
        except (KeyError, RuntimeError):  # another thread changes it at this moment
            continue
        return {**removed_secrets, **now}


def remove_from_environment(names: Iterable[str]) -> None:
    """Keep the values where `process_environment` finds them, then remove them, in this order.

    Another thread that loads meanwhile finds each in one of the two places.
    """
    for name in names:
        text = os.environ.get(name)
        if text is None:
            continue
        removed_secrets[name] = text
        try:
            del os.environ[name]
        except KeyError:  # another thread was first; `pop` raises this too
            pass


def read_text(path: str, name: str, *, strip: bool = True) -> str:
    """Return the text of a file, without one newline at its end.

    `name` is the variable that the file is read for. Raises SourceError if it cannot be read.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:  # pathlib costs 4 ms at start
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(name, f"cannot read {_shown(path)}: {reason}") from None
    except ValueError:  # bytes that are not UTF-8, or a path with a null character
        raise SourceError(name, f"{_shown(path)} is not a text file") from None
    if len(text) > _MAX_BYTES:
        raise SourceError(name, f"{_shown(path)} is larger than 1 MiB")
    return text.removesuffix("\n").removesuffix("\r") if strip else text


def _shown(path: str) -> str:
    """Return a path for a report; what does not look like a path may be the secret itself."""
    if not path.startswith(("/", ".", "~")):
        return "(hidden: it does not begin with / or .)"
    from podready.runtime.settings.report import quote

    return quote("", path, secret=False)
