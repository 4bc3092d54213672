"""What the probes are told: a pure function from what the supervisor knows to an HTTP answer."""

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


class Later:
    """An answer that is not there yet; `give` may come before or after `when_given`."""

    def __init__(self) -> None:
        self._answer: Answer | None = None
        self._listener: Callable[[Answer], None] | None = None

    def give(self, answer: Answer) -> None:
        """Hand the answer to whoever waits for it."""
        self._answer = answer
        if self._listener is not None:
            self._listener(answer)

    def when_given(self, listener: Callable[[Answer], None]) -> None:
        """Call `listener` with the answer, now if it is there."""
        self._listener = listener
        if self._answer is not None:
            listener(self._answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that a probe's answer depends on, at one moment."""

    phase: Phase
    started: bool
    stage: str
    elapsed: float
    limit: float
    serving: bool = True
    unready: tuple[str, ...] = ()
    unhealthy: str | None = None
    stalled: float | None = None
    serves_draining: bool = False
    progress: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


def answer_probe(path: str, standing: Standing, *, verbose: bool) -> Answer | None:
    """Return the answer to a GET of `path`, or None when it is not a probe.

    `verbose` adds the details; the caller grants it to loopback only.
    """
    decide = {LIVEZ: _livez, READYZ: _readyz, STARTUPZ: _startupz, "/healthz": _livez}.get(path)
    if decide is None:
        return None
    good, body = decide(standing)
    if verbose:
        body |= {"details": standing.details}
    status = 200 if good else 503
    return Answer(status, json.dumps({"status": "ok" if good else "failing", **body}).encode())


def answer_group(failing: list[str]) -> Answer:
    """Return the answer for one group of checks, whose failing ones are given."""
    body = {"status": "failing", "failing": failing} if failing else {"status": "ok"}
    return Answer(503 if failing else 200, json.dumps(body).encode())


def _livez(standing: Standing) -> tuple[bool, dict[str, Any]]:
    if standing.unhealthy is not None:
        return False, {"phase": standing.phase, "reason": "unhealthy"}
    if standing.stalled is not None:
        return False, {"phase": standing.phase, "reason": f"stalled {standing.stalled:.0f}s"}
    return True, {"phase": standing.phase}


def _readyz(standing: Standing) -> tuple[bool, dict[str, Any]]:
    body: dict[str, Any] = {"phase": standing.phase}
    lame_duck = standing.phase is Phase.DRAINING and standing.serves_draining
    if standing.phase is not Phase.READY and not lame_duck:
        return False, body | {"reason": standing.phase}
    failing = [*standing.unready, *(() if standing.serving else ("main-listener",))]
    if failing:
        return False, body | {"failing": failing}
    return True, body


def _startupz(standing: Standing) -> tuple[bool, dict[str, Any]]:
    body: dict[str, Any] = {
        "phase": standing.phase,
        "stage": standing.stage,
        "elapsed": round(standing.elapsed, 3),
        "limit": standing.limit,
    }
    if standing.progress is not None:
        body["fraction"] = standing.progress
    return standing.started, body
