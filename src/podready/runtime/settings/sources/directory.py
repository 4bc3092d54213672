"""Folders whose files are named for variables: /run/secrets, mounted volumes, config trees."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Final

from podready.runtime.settings.environment import RawValue, SourceError, read_text

_MAX_DEPTH: Final = 8
"""Levels of folders in a config tree; more is a loop of links."""


class Directory:
    """A folder whose files are named for variables, in any case, `-`, `.` and `/` for `_`."""

    def __init__(self, root: str, prefix: str) -> None:
        self._root, self._prefix = root, prefix
        self._files: dict[str, list[str]] = {}
        for path in files_in(root):
            self._files.setdefault(_normal(os.path.relpath(path, root)), []).append(path)

    def find(self, name: str, aliases: tuple[str, ...] = ()) -> RawValue | None:
        """Return what is in the file of the first of the names, with or without the prefix."""
        return next(filter(None, map(self._value, (name, *aliases))), None)

    def _value(self, name: str) -> RawValue | None:
        short = name.removeprefix(self._prefix)
        paths = [path for each in dict.fromkeys((name, short)) for path in self._at(each)]
        if not paths:
            return None
        if len(paths) > 1:
            raise SourceError(name, f"both {paths[0]} and {paths[1]} are there")
        return RawValue(read_text(paths[0], name), f"file {paths[0]}")

    def _at(self, name: str) -> list[str]:
        return self._files.get(_normal(name), [])

    def names(self) -> Iterable[str]:
        """Return the names that the files stand for."""
        return self._files


def files_in(root: str, depth: int = _MAX_DEPTH) -> Iterator[str]:
    """Yield the files of a config tree, following links, without those that begin with a dot.

    The kubelet keeps the versions of a volume in folders such as `..data`: each file is met
    once, by the link that apps use.
    """
    try:
        with os.scandir(root) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_file():
            yield entry.path
        elif depth and entry.is_dir():
            yield from files_in(entry.path, depth - 1)


def _normal(name: str) -> str:
    """Return a name or path in the form in which they are compared."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
