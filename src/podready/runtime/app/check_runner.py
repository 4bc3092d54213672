"""Running the checks in the background of a worker, and what their results amount to.

One bad result in a row of good ones changes nothing (hysteresis).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podready.runtime.app.timeouts import call_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from podready.runtime.app.registry import Check

_JITTER = 0.1
_FAILING_INTERVAL = 5.0
_STARTUP_RETRY = 1.0
_SLOW = 1.0
_CALLBACK_TIMEOUT = 5.0
_MIN_STALE = 5.0
"""Seconds: a loop that is busy for less is not a reason to doubt its checks."""

_FAILS_TO_BAD = 3
_OKS_TO_GOOD = 2
"""Dropwizard health's defaults."""

_log = logging.getLogger("podready.checks")


@dataclass(slots=True)
class CheckState:
    """What the runs of one check amount to; `good` is None before the first."""

    good: bool | None = None
    message: str = ""
    _streak: int = field(default=0, repr=False)

    def record(self, ok: bool, message: str = "") -> bool:
        """Take in one result; return whether the check turned good or bad with it."""
        self.message = message
        if self.good is None:
            self.good = ok
            return True
        self._streak = 0 if ok == self.good else self._streak + 1
        if self._streak < (_OKS_TO_GOOD if ok else _FAILS_TO_BAD):
            return False
        self.good, self._streak = ok, 0
        return True


class CheckRunner:
    """Runs `checks`; calls `changed` whenever one of them turns good or bad."""

    def __init__(self, checks: Sequence[Check], changed: Callable[[], None]) -> None:
        self._changed = changed
        self._states = {check: CheckState() for check in checks}
        self._tasks: list[asyncio.Task[None]] = []

    async def first_run(self) -> None:
        """Run all of them once, and the start-up checks until they pass."""
        await asyncio.gather(*(self._evaluate(check) for check in self._states))
        while waiting := [each for each in self._states if self._holds_the_start(each)]:
            await asyncio.sleep(_STARTUP_RETRY)
            await asyncio.gather(*(self._evaluate(check) for check in waiting))

    def _holds_the_start(self, check: Check) -> bool:
        return check.kind == "startup" and not self._states[check].good

    def start(self) -> None:
        """Run them in the background from now on."""
        self._tasks = [
            asyncio.create_task(self._repeat(check), name=f"check {check.name}")
            for check in self._states
            if check.kind != "startup"
        ]

    def stop(self) -> None:
        """End the runs in the background."""
        for task in self._tasks:
            task.cancel()

    async def _repeat(self, check: Check) -> None:
        while True:
            failing = bool(self._states[check].message)
            pause = min(check.interval, _FAILING_INTERVAL) if failing else check.interval
            await asyncio.sleep(pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
            await self._evaluate(check)

    async def _evaluate(self, check: Check) -> None:
        begin = time.monotonic()
        message = await _failure(check)
        took = time.monotonic() - begin
        if took > _SLOW:
            _log.warning("check %r took %.1f s", check.name, took)
        state = self._states[check]
        before = state.good
        if check.kind == "startup" and state.good is not None:
            state.good = None  # no hysteresis at the start: one success is enough
        if state.record(not message, message):
            self._log_change(check, state)
            self._changed()
            if check.on_change is not None and state.good != (before is None or before):
                await _call_back(check, check.on_change, state)

    def _log_change(self, check: Check, state: CheckState) -> None:
        if not state.good:
            level = logging.ERROR if check.critical else logging.WARNING
            _log.log(level, "check %r fails: %s", check.name, state.message)
        else:
            _log.info("check %r passes", check.name)

    def failing(self) -> list[str]:
        """Return the names of the checks that take the pod out of service now."""
        return [
            check.name for check, state in self._states.items() if check.decides and not state.good
        ]

    def groups(self) -> dict[str, list[str]]:
        """Return the failing checks of each group."""
        groups: dict[str, list[str]] = {}
        for check, state in self._states.items():
            for group in check.groups:
                groups.setdefault(group, []).extend([] if state.good else [check.name])
        return groups

    def stale_after(self) -> float | None:
        """Return after how many silent seconds the critical results are worth nothing."""
        intervals = [check.interval for check in self._states if check.decides]
        return max(3 * max(intervals), _MIN_STALE) if intervals else None

    def facts(self) -> dict[str, Any]:
        """Return every check's state, for callers who may see details."""
        return {
            check.name: {
                "state": {None: "unknown", True: "good", False: "bad"}[state.good],
                "critical": check.critical,
                "message": state.message,
            }
            for check, state in self._states.items()
        }


async def _call_back(
    check: Check, function: Callable[[str, bool, str], Any], state: CheckState
) -> None:
    try:
        await call_bounded(function, _CALLBACK_TIMEOUT, check.name, bool(state.good), state.message)
    except TimeoutError:
        _log.error("on_change of check %r did not end within %g s", check.name, _CALLBACK_TIMEOUT)
    except Exception:  # noqa: BLE001 - whatever it raises, the check goes on
        _log.exception("on_change of check %r failed", check.name)


async def _failure(check: Check) -> str:
    """Run the check; return what is wrong, or "" when nothing is."""
    try:
        result = await call_bounded(check.function, check.timeout)
    except TimeoutError:
        return f"no answer within {check.timeout:g}s"
    except Exception as error:  # noqa: BLE001 - a check fails by raising whatever it likes
        return f"{type(error).__name__}: {error}"
    return "returned False" if result is False else ""
