"""What a controller did and its cache has not shown yet, so that it never does it twice.

After kubernetes/pkg/controller/controller_utils.go (UIDTrackingControllerExpectations). A
ReplicaSet that just created two pods still sees none of them; it must wait for the watch, or
for a timeout in case an event was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podready.clock import Clock

TIMEOUT_SECONDS = 300.0
"""ExpectationsTimeout: after five minutes the controller trusts its cache again."""


@dataclass(slots=True)
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)

    @property
    def fulfilled(self) -> bool:
        return self.creations <= 0 and not self.deletions


class Expectations:
    """Creations by number and deletions by uid, for each key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: dict[str, _Expected] = {}

    def expect_creations(self, key: str, count: int) -> None:
        """Expect to see `count` new objects of `key`."""
        self._expected[key] = _Expected(self._clock.monotonic(), creations=count)

    def expect_deletions(self, key: str, uids: Iterable[str]) -> None:
        """Expect to see the objects with these uids marked for deletion or gone."""
        self._expected[key] = _Expected(self._clock.monotonic(), deletions=set(uids))

    def creation_observed(self, key: str, count: int = 1) -> None:
        """Say that new objects were seen, or that they will never be because creation failed."""
        if key in self._expected:
            self._expected[key].creations -= count

    def deletion_observed(self, key: str, uid: str) -> None:
        """Say that an object's deletion was seen, or failed."""
        if key in self._expected:
            self._expected[key].deletions.discard(uid)

    def satisfied(self, key: str) -> bool:
        """Return whether the cache shows all that was done, or enough time has passed."""
        expected = self._expected.get(key)
        if expected is None or expected.fulfilled:
            return True
        return self._clock.monotonic() - expected.since > TIMEOUT_SECONDS

    def seconds_left(self, key: str) -> float | None:
        """Return when to look again in case an event was lost; None when nothing is expected."""
        if self.satisfied(key):
            return None
        waited = self._clock.monotonic() - self._expected[key].since
        return TIMEOUT_SECONDS - waited + 0.001

    def forget(self, key: str) -> None:
        """Drop what is expected of a key that is gone."""
        self._expected.pop(key, None)
