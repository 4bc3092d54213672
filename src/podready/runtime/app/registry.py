"""What an app registers with podready: checks, warm-up hooks and shutdown hooks.

A check runs in the background, never when a probe asks; a probe shows the results of the last runs.
Only a critical check takes the pod out of service: a pod that cannot reach its database is rarely
helped by it.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CheckKind = Literal["ready", "startup", "info"]
_F = TypeVar("_F", bound="Callable[..., Any]")

_GROUP: Final = re.compile("[a-z0-9-]+")


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


@dataclass(frozen=True, slots=True)
class Hook:
    """A registered function; `timeout` in seconds."""

    name: str
    function: Callable[..., Any]
    timeout: float

    @property
    def wants_progress(self) -> bool:
        """Whether it takes an argument: a function to call with a fraction from 0 to 1."""
        return bool(inspect.signature(self.function).parameters)


class AppRegistry:
    """The checks and hooks of one app, in the order of their registration."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.warmups: list[Hook] = []
        self.shutdown_hooks: list[Hook] = []

    def check(
        self,
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

        It fails by raising, by returning False, or by taking longer than `timeout` seconds. It
        runs every `interval` seconds (more often while it fails), first before the pod becomes
        ready; three failures in a row make it bad, two successes good again.

        `critical=True` makes /readyz 503 while it is bad; otherwise it is only shown and logged.
        `kind="startup"` must pass once before the pod becomes ready and runs no more after that;
        `kind="info"` never decides anything. The check also answers, critical or not, for each of
        its `groups`: `/health/NAME` and `/readyz?group=NAME`. `on_change`, sync or async, is
        called with the name, whether it is good and the message whenever the check turns bad or
        good again. Raises ValueError for a name that is taken, a kind that does not exist and a
        group that cannot be part of a URL.
        """
        if kind not in {"ready", "startup", "info"}:
            raise ValueError(f"check {name!r}: kind is ready, startup or info, not {kind!r}")
        for group in groups:
            if not _GROUP.fullmatch(group):
                raise ValueError(f"check {name!r}: group {group!r} is not of the form [a-z0-9-]+")
        if any(known.name == name for known in self.checks):
            raise ValueError(f"there is a check called {name!r} already")

        def register(function: _F) -> _F:
            self.checks.append(
                Check(name, function, kind, critical, interval, timeout, groups, on_change)
            )
            return function

        return register

    def on_shutdown(self, name: str, *, timeout: float = 5.0) -> Callable[[_F], _F]:
        """Register a function, sync or async, to run at the end of the stop.

        Shutdown hooks run after the last request, in reverse order of registration, each for at
        most `timeout` seconds and all within the hook time of the budget; one that fails or hangs
        is logged by its name and does not keep the others from running.
        """
        return _registration(self.shutdown_hooks, name, timeout)

    def warmup(self, name: str, *, timeout: float = 30.0) -> Callable[[_F], _F]:
        """Register a function, sync or async, to run after lifespan start-up and before ready.

        A function with one parameter is called with a callback for its progress, a fraction from
        0 to 1, which /startupz shows. One that fails or takes longer than `timeout` seconds ends
        the start with exit code 3.
        """
        return _registration(self.warmups, name, timeout)


def _registration(hooks: list[Hook], name: str, timeout: float) -> Callable[[_F], _F]:
    def register(function: _F) -> _F:
        hooks.append(Hook(name, function, timeout))
        return function

    return register
