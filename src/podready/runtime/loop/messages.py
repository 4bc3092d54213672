"""The messages between the processes of a pod: what each says, and how it becomes a line of JSON.

Supervisor and workers send them over a `Channel`, and so do the processes of a server with
`podready.wrap` and the gRPC health service. A line that is no message of this table becomes
`Unreadable`, which the receiver must log: a misspelt kind or field is never silence.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import UnionType
from typing import Any, ClassVar, Final, get_origin

# No `from __future__ import annotations`: decode() checks values against the fields' types.


@dataclass(frozen=True, slots=True)
class Message:
    """What all messages have in common."""

    kind: ClassVar[str]


# From a worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Message):
    """A worker's event loop turns; what it is doing at this moment."""

    kind = "heartbeat"
    inflight: int = 0  # requests and background tasks
    streams: int = 0  # event streams and WebSockets
    connections: int = 0
    served: int = 0  # requests since the worker's start
    queued: int = 0  # requests that wait for a place or a thread
    rejected: int = 0  # requests over the concurrency limit, since the worker's start
    cpu: float = 0.0  # seconds
    tasks: list[dict[str, Any]] = field(default_factory=list)  # the oldest work, for /tasks
    registry: bool = False  # whether the app uses prometheus_client
    serving: bool | None = None  # with `podready.wrap`: whether the server has called the app


@dataclass(frozen=True, slots=True)
class StartupPhase(Message):
    """A worker has entered a phase of its start; `fraction` of it is done, if that is known."""

    kind = "startup-phase"
    phase: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Listening(Message):
    """A worker, or the gRPC health service on `port`, accepts connections."""

    kind = "listening"
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport(Message):
    """The results of a worker's checks, and what the app has reported itself."""

    kind = "health-report"
    failing: list[str] = field(default_factory=list)  # critical ones
    stale_after: float | None = None  # seconds without a heartbeat that make the results unknown
    unhealthy: str | None = None  # why, when the app has called itself unhealthy
    unready: str | None = None  # why, when the app has called itself not ready
    groups: dict[str, list[str]] = field(default_factory=dict)  # failing checks by group
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)  # each with its last result


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupFailed(Message):
    """A worker's start has failed, and its process is about to end with `exit`."""

    kind = "startup-failed"
    exit: int
    message: str
    trace: str | None = None
    logged: bool = False  # the worker has logged the message itself
    log_waits: bool = False  # lines of its log still wait for their reader


@dataclass(frozen=True, slots=True)
class StartupAborting(Message):
    """A worker stops its start on request, and runs the app's hooks."""

    kind = "startup-aborting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Message):
    """A worker has stopped; its process is about to end."""

    kind = "stopped"
    cut: int = 0  # pieces of work that were cancelled at the deadline
    stuck: list[str] = field(default_factory=list)  # a sentence for each of them
    log_waits: bool = False


@dataclass(frozen=True, slots=True)
class RegistryText(Message):
    """The app's own metrics are in the worker's shared memory; `size` 0: it has none."""

    kind = "registry-text"
    size: int
    openmetrics: bool
    request_id: int


# To a worker


@dataclass(frozen=True, slots=True)
class Drain(Message):
    """The pod is draining: keep accepting, close connections after their answer."""

    kind = "drain"


@dataclass(frozen=True, slots=True)
class Close(Message):
    """Stop accepting and finish; the deadlines are CLOCK_MONOTONIC seconds."""

    kind = "close"
    cancel_at: float
    end_at: float


@dataclass(frozen=True, slots=True)
class Cancel(Message):
    """Cancel what is still in flight, now."""

    kind = "cancel"


@dataclass(frozen=True, slots=True)
class LogLevels(Message):
    """All changed log levels, by logger, and when each change ends (CLOCK_MONOTONIC seconds)."""

    kind = "log-levels"
    levels: dict[str, int]
    until: dict[str, float]


@dataclass(frozen=True, slots=True)
class RegistryRequest(Message):
    """Write the app's own metrics to the shared memory, then answer with RegistryText."""

    kind = "registry-request"
    openmetrics: bool
    request_id: int


# Between the processes of a server with `podready.wrap`


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake(Message):
    """A follower's first message to its leader; descriptors come with it."""

    kind = "handshake"
    pid: int
    version: str
    leader: str  # the leader it had before
    changes: dict[str, list[float]]  # changed log levels: the level, and when the change ends


@dataclass(frozen=True, slots=True)
class HandshakeAccepted(Message):
    """The leader's answer, with its name; descriptors come with it."""

    kind = "handshake-accepted"
    leader: str


@dataclass(frozen=True, slots=True)
class DebugRequest(Message):
    """A follower asks for DEBUG in the whole pod (SIGUSR1)."""

    kind = "debug-request"


# Between the supervisor and the gRPC health service


@dataclass(frozen=True, slots=True)
class ProbeStatus(Message):
    """Whether each probe passes, by its name without the slash."""

    kind = "probe-status"
    passing: dict[str, bool]


@dataclass(frozen=True, slots=True)
class ServiceFailed(Message):
    """The gRPC health service cannot do its work; `message` is for the log."""

    kind = "service-failed"
    message: str


# On the wire

_KINDS: Final[dict[str, type[Message]]] = {
    each.kind: each
    for each in (
        *(Heartbeat, StartupPhase, Listening, HealthReport, StartupFailed, StartupAborting),
        *(Stopped, RegistryText, Drain, Close, Cancel, LogLevels, RegistryRequest),
        *(Handshake, HandshakeAccepted, DebugRequest, ProbeStatus, ServiceFailed),
    )
}


def _accepted(annotation: Any) -> type | UnionType:
    """Return what isinstance() takes for a field's type; JSON writes some floats as integers."""
    origin = get_origin(annotation)
    accepted: type | UnionType = origin if origin in {list, dict} else annotation
    return accepted | int if annotation in {float, float | None} else accepted


_TYPES: Final = {
    kind: {item.name: _accepted(item.type) for item in fields(each)}
    for kind, each in _KINDS.items()
}
_REQUIRED: Final = {
    kind: [
        item.name
        for item in fields(each)
        if item.default is MISSING and item.default_factory is MISSING
    ]
    for kind, each in _KINDS.items()
}
_MOST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no message; `reason` says why."""

    reason: str


def encode(message: Message) -> bytes:
    """Return the message as one line; raises TypeError for a value that JSON does not have."""
    names = _TYPES[message.kind]
    content = {"kind": message.kind, **{name: getattr(message, name) for name in names}}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def beginning(message: type[Message]) -> bytes:
    """Return what every line with such a message begins with."""
    return f'{{"kind":"{message.kind}"'.encode()


def decode(line: bytes) -> Message | Unreadable:
    """Return the message in a line; whatever a peer may send, it raises nothing."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return Unreadable(f"not JSON: {_shown(line)}")
    if not isinstance(content, dict):
        return Unreadable(f"not an object: {_shown(line)}")
    kind = content.pop("kind", None)
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        return Unreadable(f"unknown kind {_shown(kind)}")
    problem = _problem(content, known.kind)
    return Unreadable(f"{known.kind}: {problem}") if problem else known(**content)


def unexpected(message: Message | Unreadable) -> str:
    """Return the sentence for the log about a message that its receiver does not handle."""
    if isinstance(message, Unreadable):
        return f"sent an unreadable message: {message.reason}"
    return f"sent a message that is not expected from it: {message.kind}"


def _problem(content: Mapping[str, object], kind: str) -> str:
    types = _TYPES[kind]
    for name, value in content.items():
        if name not in types:
            return f"unknown field {_shown(name)}"
        if not isinstance(value, types[name]):
            return f"wrong type of {name}: {_shown(value)}"
    missing = [name for name in _REQUIRED[kind] if name not in content]
    return f"missing field {missing[0]!r}" if missing else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
