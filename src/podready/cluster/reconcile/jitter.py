"""Small random delays before a controller looks, so that no app relies on synchrony.

On a real cluster every controller lags the API by tens of milliseconds. A local one would be
faster than any real one, and an app or a driver that only works there would look ready.
"""

from __future__ import annotations

import random


class Jitter:
    """Draws delays between `low` and `high` seconds; the same seed, the same delays.

    The defaults are 5-50 ms, what real controllers take (reference: kube-controller-manager
    under little load).
    """

    def __init__(self, low: float = 0.005, high: float = 0.05, seed: int | None = None) -> None:
        if not 0 <= low <= high:
            raise ValueError(f"jitter needs 0 <= low <= high, not {low} and {high}")
        self._low, self._high = low, high
        self._random = random.Random(seed)  # noqa: S311 - a delay, not a secret

    def delay(self) -> float:
        """Return the next delay in seconds."""
        return self._random.uniform(self._low, self._high)
