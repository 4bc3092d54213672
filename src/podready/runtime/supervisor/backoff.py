"""How long to wait before a worker that died is replaced."""

from __future__ import annotations

_FIRST = 0.1
_LONGEST = 30.0
_HEALTHY_AFTER = 60.0
"""A worker that lived this long died of something new, so the wait starts small again."""


class Backoff:
    """Doubles from 0.1 s to 30 s; each call of `next` is one death."""

    def __init__(self) -> None:
        self._deaths = 0

    def next(self, lived: float) -> float:
        """Return the seconds to wait after a worker died that had lived for `lived` seconds."""
        self._deaths = 1 if lived >= _HEALTHY_AFTER else self._deaths + 1
        return float(min(_FIRST * 2 ** (self._deaths - 1), _LONGEST))
