"""A scenario: something that happens to a running app while requests go on arriving.

What must hold is the same for all: no request is dropped, the action ends well within its time, and
every pod that has to stop does so by itself before its grace period is over. Each scenario is one
file in `scenarios/`; the table below names them, so that none is imported before it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from podready.errors import UsageError
from podready.values.closest_match import closest_match

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from podready.rehearse.driver import Driver

    Action = Callable[[Driver], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    `action` raises ScenarioError when what it did had not the effect it must have; `prepare` runs
    before the load starts. `share` returns how many full rollouts one action is worth among
    so many replicas: it is what the confidence in "0 dropped" counts with.
    """

    name: str
    title: str
    holds: str
    action: Action
    prepare: Action | None = None
    share: Callable[[int], float] = lambda _replicas: 1.0


_MODULES: Final = {
    "rolling-update": "podready.rehearse.scenarios.rolling_update",
    "rollback": "podready.rehearse.scenarios.rollback",
    "pod-deletion": "podready.rehearse.scenarios.pod_deletion",
}

NAMES: Final = tuple(_MODULES)
"""All scenarios in the order in which they run."""


def load_scenarios(names: Sequence[str]) -> tuple[Scenario, ...]:
    """Return the scenarios of these names (all of them for none); UsageError for an unknown one."""
    return tuple(_load(name) for name in (names or NAMES))


def _load(name: str) -> Scenario:
    if name not in _MODULES:
        near = closest_match(name, NAMES)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(NAMES)}"
        raise UsageError(f"--scenario {name}: no such scenario; {hint}")
    scenario = import_module(_MODULES[name]).SCENARIO
    assert isinstance(scenario, Scenario)
    return scenario
