"""Running the checks in the background of the worker."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any

from podready.runtime.app.checks import Check, Standing
from podready.runtime.app.timeouts import call_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_JITTER = 0.1
_WHILE_FAILING = 5.0
_STARTUP_RETRY = 1.0
_SLOW = 1.0
_CALLBACK_TIME = 5.0
_SHORTEST_STALE = 5.0
"""Seconds: a loop that is busy for less is not a reason to doubt its checks."""

_log = logging.getLogger("podready.checks")


class Checking:
    """Evaluates `checks`; calls `changed` whenever one of them turns good or bad."""

    def __init__(self, checks: Sequence[Check], changed: Callable[[], None]) -> None:
        self._changed = changed
        self._standings = {check: Standing() for check in checks}
        self._tasks: list[asyncio.Task[None]] = []

    async def first_run(self) -> None:
        """Run all of them once, and the start-up checks until they pass."""
        await asyncio.gather(*(self._evaluate(check) for check in self._standings))
        while waiting := [each for each in self._standings if self._holds_the_start(each)]:
            await asyncio.sleep(_STARTUP_RETRY)
            await asyncio.gather(*(self._evaluate(check) for check in waiting))

    def _holds_the_start(self, check: Check) -> bool:
        return check.kind == "startup" and not self._standings[check].good

    def start(self) -> None:
        """Go on in the background."""
        self._tasks = [
            asyncio.create_task(self._repeat(check), name=f"check {check.name}")
            for check in self._standings
            if check.kind != "startup"
        ]

    def stop(self) -> None:
        """Run no more."""
        for task in self._tasks:
            task.cancel()

    async def _repeat(self, check: Check) -> None:
        while True:
            failing = bool(self._standings[check].message)
            pause = min(check.interval, _WHILE_FAILING) if failing else check.interval
            await asyncio.sleep(pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
            await self._evaluate(check)

    async def _evaluate(self, check: Check) -> None:
        begin = time.monotonic()
        message = await _failure(check)
        took = time.monotonic() - begin
        if took > _SLOW:
            _log.warning("check %r took %.1f s", check.name, took)
        standing = self._standings[check]
        before = standing.good
        if check.kind == "startup" and standing.good is not None:
            standing.good = None  # no hysteresis at the start: one success is enough
        if standing.note(not message, message):
            self._tell(check, standing)
            self._changed()
            if check.on_change is not None and standing.good != (before is None or before):
                await _call_back(check, check.on_change, standing)

    def _tell(self, check: Check, standing: Standing) -> None:
        if not standing.good:
            level = logging.ERROR if check.critical else logging.WARNING
            _log.log(level, "check %r fails: %s", check.name, standing.message)
        else:
            _log.info("check %r passes", check.name)

    def failing(self) -> list[str]:
        """Return the names of the checks that take the pod out of service now."""
        return [
            check.name
            for check, standing in self._standings.items()
            if check.decides and not standing.good
        ]

    def groups(self) -> dict[str, list[str]]:
        """Return the failing checks of each group."""
        groups: dict[str, list[str]] = {}
        for check, standing in self._standings.items():
            for group in check.groups:
                groups.setdefault(group, []).extend([] if standing.good else [check.name])
        return groups

    def stale_after(self) -> float | None:
        """Return after how many silent seconds the critical results are worth nothing."""
        intervals = [check.interval for check in self._standings if check.decides]
        return max(3 * max(intervals), _SHORTEST_STALE) if intervals else None

    def facts(self) -> dict[str, Any]:
        """Return every check's state, for callers who may see details."""
        return {
            check.name: {
                "state": {None: "unknown", True: "good", False: "bad"}[standing.good],
                "critical": check.critical,
                "message": standing.message,
            }
            for check, standing in self._standings.items()
        }


async def _call_back(
    check: Check, function: Callable[[str, bool, str], Any], standing: Standing
) -> None:
    try:
        await call_bounded(
            function, _CALLBACK_TIME, check.name, bool(standing.good), standing.message
        )
    except TimeoutError:
        _log.error("on_change of check %r did not end within %g s", check.name, _CALLBACK_TIME)
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
