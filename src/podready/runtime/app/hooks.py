"""Functions that the app registers: `warmup` before it is ready, `on_shutdown` after it drained."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


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


SHUTDOWN: list[Hook] = []
WARMUP: list[Hook] = []


def on_shutdown(name: str, *, timeout: float = 5.0) -> Callable[[_F], _F]:
    """Register a function, sync or async, to run at the end of the stop.

    Hooks run after the last request, in reverse order of registration, each for at most
    `timeout` seconds and all within the hook time of the budget; one that fails or hangs is
    logged by its name and does not keep the others from running.
    """
    return _registration(SHUTDOWN, name, timeout)


def warmup(name: str, *, timeout: float = 30.0) -> Callable[[_F], _F]:
    """Register a function, sync or async, to run after lifespan start-up and before ready.

    A function with one parameter is given a callback for its progress, a fraction from 0 to 1,
    shown in /startupz. One that fails or takes longer than `timeout` seconds ends the start
    with exit code 3.
    """
    return _registration(WARMUP, name, timeout)


def _registration(registry: list[Hook], name: str, timeout: float) -> Callable[[_F], _F]:
    def register(function: _F) -> _F:
        registry.append(Hook(name, function, timeout))
        return function

    return register
