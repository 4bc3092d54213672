"""What an app reports about itself, where no check can see it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("podready.health")


class AppHealth:
    """The app's report about this process; `changed` is called on every change.

    `unready` and `unhealthy` are the reasons that the app gave, None while there is none.
    """

    def __init__(self) -> None:
        self.unready: str | None = None
        self.unhealthy: str | None = None
        self.uncallable: str | None = None  # why no request could be handed to the app
        self.changed: Callable[[], None] = lambda: None

    def failing(self) -> list[str]:
        """Return the names under which /readyz shows that the pod is not ready."""
        reasons = {"set_ready": self.unready, "app-call": self.uncallable}
        return [name for name, reason in reasons.items() if reason is not None]

    def reason(self) -> str | None:
        """Return why the pod is not ready, for callers from loopback."""
        return self.uncallable or self.unready

    def set_ready(self, ready: bool, reason: str = "") -> None:
        """Take this pod out of service, or put it back; safe from any thread.

        For a state that no check can see, such as a cache that is being rebuilt. `reason` is shown
        to callers from loopback only.
        """
        self.unready = None if ready else reason or "set_ready(False)"
        self.changed()

    def mark_unhealthy(self, reason: str) -> None:
        """Make /livez fail until `mark_healthy`, so that the kubelet restarts the container.

        For a state that only a restart mends. It counts for the worker that calls it; /livez fails
        as long as one worker is unhealthy. `reason` is logged, and shown to callers from loopback
        only. Safe from any thread.
        """
        if self.unhealthy != reason:
            _log.error("the app marked this worker unhealthy, /livez fails: %s", reason)
        self.unhealthy = reason
        self.changed()

    def mark_healthy(self) -> None:
        """Take `mark_unhealthy` back for this worker; without one it does nothing."""
        if self.unhealthy is None:
            return
        _log.info("the app marked this worker healthy again")
        self.unhealthy = None
        self.changed()
