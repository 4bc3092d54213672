"""Checks behind the probes: what the app registers, and when a result counts as a change.

A check runs in the background, never when a probe asks; a probe reads what the last runs said.
One bad result in a row of good ones changes nothing (hysteresis), and only a critical check
takes the pod out of service: a pod that cannot reach its database is rarely helped by it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CheckKind = Literal["ready", "startup", "info"]
_F = TypeVar("_F", bound="Callable[..., Any]")

_GROUP: Final = re.compile("[a-z0-9-]+")
_FAILS_TO_BAD: Final = 3
_OKS_TO_GOOD: Final = 2
"""Dropwizard health's defaults."""

_log = logging.getLogger("podready.health")


@dataclass(frozen=True, slots=True)
class Check:
    """A registered check; times in seconds."""

    name: str
    function: Callable[[], Any]
    kind: CheckKind
    critical: bool
    interval: float
    timeout: float
    groups: tuple[str, ...] = ()
    on_change: Callable[[str, bool, str], Any] | None = None

    @property
    def decides(self) -> bool:
        """Whether its failure takes the pod out of service."""
        return self.kind == "ready" and self.critical


CHECKS: list[Check] = []


def check(
    name: str,
    *,
    kind: CheckKind = "ready",
    critical: bool = False,
    interval: float = 10.0,
    timeout: float = 2.0,
    groups: tuple[str, ...] = (),
    on_change: Callable[[str, bool, str], Any] | None = None,
) -> Callable[[_F], _F]:
    """Register a function, sync or async, as a check called `name`.

    It fails by raising, by returning False, or by taking longer than `timeout` seconds. It runs
    every `interval` seconds (more often while it fails), first before the pod becomes ready;
    three failures in a row make it bad, two successes good again.

    `critical=True` makes /readyz 503 while it is bad; otherwise it is only shown and logged.
    `kind="startup"` must pass once before the pod becomes ready and runs no more after that;
    `kind="info"` never decides anything. The check also answers, critical or not, for each of
    its `groups`: `/health/NAME` and `/readyz?group=NAME`. `on_change`, sync or async, is called
    with the name, whether it is good and the message whenever the check turns bad or good again.
    Raises ValueError for a name that is taken and for a group that could not stand in a URL.
    """
    if kind not in {"ready", "startup", "info"}:
        raise ValueError(f"check {name!r}: kind is ready, startup or info, not {kind!r}")
    for group in groups:
        if not _GROUP.fullmatch(group):
            raise ValueError(f"check {name!r}: group {group!r} is not of the form [a-z0-9-]+")
    if any(known.name == name for known in CHECKS):
        raise ValueError(f"there is a check called {name!r} already")

    def register(function: _F) -> _F:
        CHECKS.append(Check(name, function, kind, critical, interval, timeout, groups, on_change))
        return function

    return register


@dataclass(slots=True)
class Standing:
    """What the runs of one check amount to; `good` is None before the first."""

    good: bool | None = None
    message: str = ""
    _row: int = field(default=0, repr=False)

    def note(self, ok: bool, message: str = "") -> bool:
        """Take in one result; return whether the check turned good or bad with it."""
        self.message = message
        if self.good is None:
            self.good = ok
            return True
        self._row = 0 if ok == self.good else self._row + 1
        if self._row < (_OKS_TO_GOOD if ok else _FAILS_TO_BAD):
            return False
        self.good, self._row = ok, 0
        return True


class AppHealth:
    """What the app reports about this process; `changed` is called on every change.

    `unready` and `unhealthy` are the reasons that it gave, None while there is none.
    """

    def __init__(self) -> None:
        self.unready: str | None = None
        self.unhealthy: str | None = None
        self.uncallable: str | None = None  # why no request could be handed to the app
        self.changed: Callable[[], None] = lambda: None

    def failing(self) -> list[str]:
        """Return the names under which /readyz shows that the pod is not ready."""
        named = {"set_ready": self.unready, "app-call": self.uncallable}
        return [name for name, reason in named.items() if reason is not None]

    def reason(self) -> str | None:
        """Return why the pod is not ready, for callers from loopback."""
        return self.uncallable or self.unready


HEALTH = AppHealth()


def set_ready(ready: bool, reason: str = "") -> None:
    """Take this pod out of service, or put it back; safe from any thread.

    For a state that no check can see, such as a cache being rebuilt. `reason` is shown to
    callers from loopback only.
    """
    HEALTH.unready = None if ready else reason or "set_ready(False)"
    HEALTH.changed()


def mark_unhealthy(reason: str) -> None:
    """Make /livez fail until `mark_healthy`, so that the kubelet restarts the container.

    For a state that only a restart mends. It counts for the worker that calls it; /livez fails as
    long as one worker is unhealthy. `reason` is logged, and /livez shows it to callers from
    loopback only. Safe from any thread.
    """
    if HEALTH.unhealthy != reason:
        _log.error("the app marked this worker unhealthy, /livez fails: %s", reason)
    HEALTH.unhealthy = reason
    HEALTH.changed()


def mark_healthy() -> None:
    """Take `mark_unhealthy` back for this worker; without one it does nothing."""
    if HEALTH.unhealthy is None:
        return
    _log.info("the app marked this worker healthy again")
    HEALTH.unhealthy = None
    HEALTH.changed()
