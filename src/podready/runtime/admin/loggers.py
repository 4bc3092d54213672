"""Log levels changed while the pod runs: `/loggers` on the admin port, and SIGUSR1.

One process keeps the table of changes (the supervisor, or the leader of a wrapped app's processes)
and sends the whole table to every worker, so that it does not matter what a worker had before.
A change ends by itself, so that no pod is left logging DEBUG for weeks.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from podready.runtime.admin.probes import Answer
from podready.runtime.logs import log_event
from podready.runtime.logs.levels import ROOT
from podready.runtime.logs.log import LOG
from podready.runtime.loop.messages import LogLevels
from podready.runtime.severity import LEVELS as SEVERITIES
from podready.runtime.severity import level_of, severity_of
from podready.values.durations import format_seconds, parse_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podready.runtime.admin.pod import Pod
    from podready.runtime.admin.server import Request
    from podready.runtime.admin.worker_handle import WorkerHandle

PATH: Final = "/loggers"
DEFAULT_SECONDS: Final = 600.0
MAX_SECONDS: Final = 86_400.0

_ROOT_NAME: Final = "root"
_MAX_CHANGES: Final = 100


class _Change(NamedTuple):
    level: int
    until: float  # CLOCK_MONOTONIC


class Loggers:
    """The changes that are in force, for all workers."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._changes: dict[str, _Change] = {}

    def answer(self, request: Request) -> Answer:
        """Answer a request to `/loggers` or `/loggers/NAME` of a caller who is trusted."""
        name = _name_in(request.path)
        try:
            if request.method == "PUT":
                self._put(name, request.body)
        except ValueError as error:
            return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        if name is None:
            known = {each or _ROOT_NAME: self._facts(each) for each in LOG.levels.names()}
            return _json({"levels": list(SEVERITIES), "loggers": known})
        return _json(self._facts(name))

    def debug(self) -> None:
        """Log everything for ten minutes (SIGUSR1)."""
        self.change(ROOT, SEVERITIES["DEBUG"], DEFAULT_SECONDS)

    def change(self, name: str, level: int, seconds: float) -> None:
        """Set the level of a logger and everything below it, for a while."""
        loop = self._pod.loop
        self._changes[name] = _Change(level, loop.time() + seconds)
        loop.call_later(seconds, self._expire)
        self._apply()
        log_event(
            "NOTICE",
            f"log level of {name or _ROOT_NAME} is {severity_of(level)} for "
            f"{format_seconds(seconds)}",
        )

    def send_to(self, worker: WorkerHandle) -> None:
        """Send the table to a new worker."""
        if self._changes:
            worker.channel.send(self._message())

    def inherit(self, changes: Mapping[str, Sequence[float]]) -> None:
        """Go on with changes of a leader before us: level, and its end by CLOCK_MONOTONIC."""
        loop = self._pod.loop
        for name, (level, until) in changes.items():
            if until > loop.time() and name not in self._changes:
                self._changes[name] = _Change(int(level), until)
                loop.call_at(until, self._expire)
        self._apply()

    def _put(self, name: str | None, body: bytes) -> None:
        if name is None:
            raise ValueError(f"name the logger: PUT {PATH}/NAME, or {PATH}/{_ROOT_NAME}")
        change = _parsed(body)
        if change["level"] is None:
            self._forget(name)
            return
        if name not in self._changes and len(self._changes) >= _MAX_CHANGES:
            raise ValueError(f"{_MAX_CHANGES} loggers are changed already")
        self.change(name, level_of(change["level"]), change["seconds"])

    def _forget(self, name: str) -> None:
        if self._changes.pop(name, None) is not None:
            self._apply()
            log_event("NOTICE", f"log level of {name or _ROOT_NAME} is as configured again")

    def _expire(self) -> None:
        now = self._pod.loop.time()
        for name in [name for name, change in self._changes.items() if change.until <= now]:
            self._forget(name)

    def _apply(self) -> None:
        message = self._message()
        LOG.levels.override(message.levels)
        self._pod.workers.broadcast(message)

    def _message(self) -> LogLevels:
        changes = self._changes.items()
        return LogLevels(
            levels={name: change.level for name, change in changes},
            until={name: change.until for name, change in changes},
        )

    def _facts(self, name: str) -> dict[str, Any]:
        configured = LOG.levels.configured(name)
        facts: dict[str, Any] = {
            "configured": None if configured is None else severity_of(configured),
            "effective": severity_of(LOG.levels.of(name)),
        }
        change = self._changes.get(name)
        if change is not None:
            facts["for"] = f"{change.until - self._pod.loop.time():.0f}s"
        return facts


def _name_in(path: str) -> str | None:
    """Return the logger's name in a path, None for the list of all; `root` is the root."""
    name = path.removeprefix(PATH).strip("/")
    if not name:
        return None
    return ROOT if name.lower() == _ROOT_NAME else name


def _parsed(body: bytes) -> dict[str, Any]:
    """Return level and seconds of `{"level": "DEBUG", "for": "10m"}`; raises ValueError."""
    try:
        change = json.loads(body)
    except ValueError:
        change = None
    if (
        not isinstance(change, dict)
        or "level" not in change
        or not {"level", "for"}.issuperset(change)
    ):
        raise ValueError('send {"level": "DEBUG", "for": "10m"}, or {"level": null} to end it')
    level = change["level"]
    if level is not None and not isinstance(level, str):
        raise ValueError(f"level is one of {', '.join(SEVERITIES)}, or null")
    seconds = parse_seconds(str(change["for"])) if "for" in change else DEFAULT_SECONDS
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError("for is more than 0s and at most 24h")
    return {"level": level, "seconds": seconds}


def _json(content: object, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, json.dumps(content).encode())
