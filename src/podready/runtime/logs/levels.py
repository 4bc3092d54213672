"""Which lines are written: a level for each logger's name and everything below it.

The most specific name wins, as in the standard library: `shop=DEBUG` holds for `shop.pay`, too.
The settings are the base; a table of overrides wins over them until it is replaced. Loggers that
do not ask the standard library (podready's own, structlog's) read the number in a `LevelFilter`,
which changes under them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT: Final = ""
"""The name of the root: the level of everything that has no other."""


class LevelFilter:
    """The level of one logger's name that holds now."""

    __slots__ = ("level",)

    def __init__(self, level: int) -> None:
        self.level = level


class Levels:
    """All levels of this process."""

    def __init__(self) -> None:
        self._base: dict[str, int] = {ROOT: 20}
        self._over: dict[str, int] = {}
        self._filters: dict[str, LevelFilter] = {}
        self._before: dict[str, int] = {}  # what loggers had before we set them
        self._watchers: list[Callable[[], None]] = []

    def configure(self, root: int, named: Mapping[str, int]) -> None:
        """Set the base: the level of the root and those of some names."""
        self._base = {ROOT: root, **named}
        self._changed()

    def override(self, table: Mapping[str, int]) -> None:
        """Lay this table, which replaces the one before, over the base."""
        self._over = dict(table)
        self._changed()

    def filter(self, name: str) -> LevelFilter:
        """Return the filter of a logger's name; the same one for everybody."""
        found = self._filters.get(name)
        if found is None:
            found = self._filters[name] = LevelFilter(self.of(name))
        return found

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` after every change, and now."""
        self._watchers.append(changed)
        changed()

    def lowest(self) -> int:
        """Return the lowest level that holds for any name."""
        return min({**self._base, **self._over}.values())

    def of(self, name: str) -> int:
        """Return the level that holds for a logger."""
        table = {**self._base, **self._over}
        while name not in table:
            name = name.rpartition(".")[0]
        return table[name]

    def configured(self, name: str) -> int | None:
        """Return the level of exactly this name, None where it has none."""
        return self._over.get(name, self._base.get(name))

    def asked(self, name: str) -> int | None:
        """Return the level that was set for this name or for a time; None: the default holds."""
        table = {**{key: self._base[key] for key in self._base if key}, **self._over}
        while name and name not in table:
            name = name.rpartition(".")[0]
        return table.get(name)

    def names(self) -> list[str]:
        """Return every name that has a level of its own, the root first."""
        return sorted({*self._base, *self._over})

    def _changed(self) -> None:
        for name, filter_ in self._filters.items():
            filter_.level = self.of(name)
        logging = sys.modules.get("logging")
        if logging is not None:
            self.apply(logging)
        for changed in self._watchers:
            changed()

    def apply(self, logging: Any) -> None:
        """Give the standard library's loggers their levels, and back what they had before."""
        table = {**self._base, **self._over}
        for name in [name for name in self._before if name not in table]:
            logging.getLogger(name).setLevel(self._before.pop(name))
        for name, level in table.items():
            logger = logging.getLogger(name or None)
            if name:
                self._before.setdefault(name, logger.level)
            logger.setLevel(level)
