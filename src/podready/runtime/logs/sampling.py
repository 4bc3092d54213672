"""Less of the same: of equal lines in one second the first ones, then every nth.

The rule is that of zap's sampler: lines are equal when level, logger and message template are.
Errors are never sampled; a storm of them is limited to a rate, and the next line that passes shows
in `suppressed` how many did not.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final, NamedTuple

from podready.runtime.logs.values import text

ERRORS_A_SECOND: Final = 1000
"""Equal lines of severity ERROR and above that pass in one second."""

_ERROR: Final = 40
_MAX_KEYS: Final = 4096
_RULE: Final = re.compile(r"(\d{1,9})/(\d{1,9})")

Key = tuple[int, str, str]


class SamplingRule(NamedTuple):
    """In each second, of equal lines: the first `first`, then every `thereafter`th."""

    first: int = 100
    thereafter: int = 100


def parse_rule(rule: str) -> SamplingRule | None:
    """Return the rule in a text such as `100/100`; None for `off`. Raises ValueError."""
    if rule.strip().lower() in {"", "off", "0", "false"}:
        return None
    match = _RULE.fullmatch(rule.strip())
    if match is None or not int(match[1]) or not int(match[2]):
        raise ValueError("off, or FIRST/THEREAFTER such as 100/100")
    return SamplingRule(int(match[1]), int(match[2]))


class Sampler:
    """Counts equal lines; one for each process."""

    def __init__(self, rule: SamplingRule) -> None:
        self._rule = rule
        self._second = 0
        self._counts: dict[Key, int] = {}
        self._suppressed: dict[Key, int] = {}

    def passes(self, level: int, logger: str, template: object) -> int:
        """Return -1 to drop the line, else how many like it were dropped before."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._counts.clear()
        key = (level, logger, text(template)[:200])
        count = self._counts.get(key, 0) + 1
        if count > 1 or len(self._counts) < _MAX_KEYS:  # what is not counted passes
            self._counts[key] = count
        if not self._due(level, count):
            if key in self._suppressed or len(self._suppressed) < _MAX_KEYS:
                self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return -1
        return self._suppressed.pop(key, 0) if self._suppressed else 0

    def admits(self, level: int, logger: str, template: object, fields: dict[str, Any]) -> bool:
        """Say whether to write a line; add to its fields how many like it were dropped before."""
        suppressed = self.passes(level, logger, template)
        if suppressed > 0:
            fields["suppressed"] = suppressed
        return suppressed >= 0

    def _due(self, level: int, count: int) -> bool:
        if level >= _ERROR:
            return count <= ERRORS_A_SECOND
        first, thereafter = self._rule
        return count <= first or (count - first) % thereafter == 0
