"""The answers to the probes: a pure function of the pod's status."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podready.contract import LIVEZ, READYZ, STARTUPZ, Phase

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of one HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"


class Deferred:
    """An answer that comes later: a future with one callback, which needs no asyncio."""

    def __init__(self) -> None:
        self._result: Answer | None = None
        self._callback: Callable[[Answer], None] | None = None

    def set_result(self, answer: Answer) -> None:
        """Set the answer and call the callback, if there is one."""
        self._result = answer
        if self._callback is not None:
            self._callback(answer)

    def add_done_callback(self, callback: Callable[[Answer], None]) -> None:
        """Call `callback` with the answer: now if it is set, else when it is."""
        self._callback = callback
        if self._result is not None:
            callback(self._result)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStatus:
    """All that a probe's answer depends on, at one moment."""

    phase: Phase
    started: bool
    startup_phase: str
    elapsed: float
    limit: float
    serving: bool = True
    unready: tuple[str, ...] = ()
    unhealthy: str | None = None
    stalled: float | None = None
    serves_draining: bool = False
    progress: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


def answer_probe(path: str, status: PodStatus, *, verbose: bool) -> Answer | None:
    """Return the answer to a GET of `path`, or None when it is not a probe.

    `verbose` adds the details; the caller grants it to loopback only.
    """
    decide = {LIVEZ: _livez, READYZ: _readyz, STARTUPZ: _startupz, "/healthz": _livez}.get(path)
    if decide is None:
        return None
    good, body = decide(status)
    if verbose:
        body |= {"details": status.details}
    code = 200 if good else 503
    return Answer(code, json.dumps({"status": "ok" if good else "failing", **body}).encode())


def answer_group(failing: list[str]) -> Answer:
    """Return the answer for one group of checks, from the names of those that fail."""
    body = {"status": "failing", "failing": failing} if failing else {"status": "ok"}
    return Answer(503 if failing else 200, json.dumps(body).encode())


def _livez(status: PodStatus) -> tuple[bool, dict[str, Any]]:
    if status.unhealthy is not None:
        return False, {"phase": status.phase, "reason": "unhealthy"}
    if status.stalled is not None:
        return False, {"phase": status.phase, "reason": f"stalled {status.stalled:.0f}s"}
    return True, {"phase": status.phase}


def _readyz(status: PodStatus) -> tuple[bool, dict[str, Any]]:
    body: dict[str, Any] = {"phase": status.phase}
    lame_duck = status.phase is Phase.DRAINING and status.serves_draining
    if status.phase is not Phase.READY and not lame_duck:
        return False, body | {"reason": status.phase}
    failing = [*status.unready, *(() if status.serving else ("main-listener",))]
    if failing:
        return False, body | {"failing": failing}
    return True, body


def _startupz(status: PodStatus) -> tuple[bool, dict[str, Any]]:
    body: dict[str, Any] = {
        "phase": status.phase,
        "stage": status.startup_phase,
        "elapsed": round(status.elapsed, 3),
        "limit": status.limit,
    }
    if status.progress is not None:
        body["fraction"] = status.progress
    return status.started, body
