"""The messages between the processes of a pod: what each says, and how it becomes a line of JSON.

Supervisor and workers send them over a `Channel`, and so do the processes of a server with
`podready.wrap` and the gRPC health service. A line that is no message of this table becomes
`Unreadable`, which the receiver must log: a misspelt kind or field is never silence.
"""

import json
from collections.abc import Callable
from types import UnionType
from typing import Any, Final, NamedTuple, get_args, get_origin

# No `from __future__ import annotations`: decode() checks values against the fields' types.
# Named tuples: to make as many frozen dataclasses would take PID 1 three times as long.
# ruff: noqa: RUF012 - a message is never changed, so its defaults may be shared


# From a worker


class Heartbeat(NamedTuple):
    """A worker's event loop turns; what it is doing at this moment."""

    inflight: int = 0  # requests and background tasks
    streams: int = 0  # event streams and WebSockets
    connections: int = 0
    served: int = 0  # requests since the worker's start
    queued: int = 0  # requests that wait for a place or a thread
    rejected: int = 0  # requests over the concurrency limit, since the worker's start
    cpu: float = 0.0  # seconds
    tasks: list[dict[str, Any]] = []  # the oldest work, for /tasks
    registry: bool = False  # whether the app uses prometheus_client
    serving: bool | None = None  # with `podready.wrap`: whether the server has called the app


class StartupPhase(NamedTuple):
    """A worker has entered a phase of its start; `fraction` of it is done, if that is known."""

    phase: str
    fraction: float | None = None


class Listening(NamedTuple):
    """A worker, or the gRPC health service on `port`, accepts connections."""

    port: int = 0


class HealthReport(NamedTuple):
    """The results of a worker's checks, and what the app has reported itself."""

    failing: list[str] = []  # critical ones
    stale_after: float | None = None  # seconds without a heartbeat that make the results unknown
    unhealthy: str | None = None  # why, when the app has called itself unhealthy
    unready: str | None = None  # why, when the app has called itself not ready
    groups: dict[str, list[str]] = {}  # failing checks by group
    checks: dict[str, dict[str, Any]] = {}  # each with its last result


class StartupFailed(NamedTuple):
    """A worker's start has failed, and its process is about to end with `exit`."""

    exit: int
    message: str
    trace: str | None = None
    logged: bool = False  # the worker has logged the message itself
    log_waits: bool = False  # lines of its log still wait for their reader


class StartupAborting(NamedTuple):
    """A worker stops its start on request, and runs the app's hooks."""


class Stopped(NamedTuple):
    """A worker has stopped; its process is about to end."""

    cut: int = 0  # pieces of work that were cancelled at the deadline
    stuck: list[str] = []  # a sentence for each of them
    log_waits: bool = False


class RegistryText(NamedTuple):
    """The app's own metrics are in the worker's shared memory; `size` 0: it has none."""

    size: int
    openmetrics: bool
    request_id: int


# To a worker


class Drain(NamedTuple):
    """The pod is draining: keep accepting, close connections after their answer."""


class Close(NamedTuple):
    """Stop accepting and finish; the deadlines are CLOCK_MONOTONIC seconds."""

    cancel_at: float
    end_at: float


class Cancel(NamedTuple):
    """Cancel what is still in flight, now."""


class LogLevels(NamedTuple):
    """All changed log levels, by logger, and when each change ends (CLOCK_MONOTONIC seconds)."""

    levels: dict[str, int]
    until: dict[str, float]


class RegistryRequest(NamedTuple):
    """Write the app's own metrics to the shared memory, then answer with RegistryText."""

    openmetrics: bool
    request_id: int


# Between the processes of a server with `podready.wrap`


class Handshake(NamedTuple):
    """A follower's first message to its leader; descriptors come with it."""

    pid: int
    version: str
    leader: str  # the leader it had before
    changes: dict[str, list[float]]  # changed log levels: the level, and when the change ends


class HandshakeAccepted(NamedTuple):
    """The leader's answer, with its name; descriptors come with it."""

    leader: str


class HandshakeRefused(NamedTuple):
    """The leader closes the connection, because it cannot use what came; `reason` says why."""

    reason: str


class DebugRequest(NamedTuple):
    """A follower asks for DEBUG in the whole pod (SIGUSR1)."""


# Between the supervisor and the gRPC health service


class ProbeStatus(NamedTuple):
    """Whether each probe passes, by its name without the slash."""

    passing: dict[str, bool]


class ServiceFailed(NamedTuple):
    """The gRPC health service cannot do its work; `message` is for the log."""

    message: str


# On the wire

Message = (
    Heartbeat
    | StartupPhase
    | Listening
    | HealthReport
    | StartupFailed
    | StartupAborting
    | Stopped
    | RegistryText
    | Drain
    | Close
    | Cancel
    | LogLevels
    | RegistryRequest
    | Handshake
    | HandshakeAccepted
    | HandshakeRefused
    | DebugRequest
    | ProbeStatus
    | ServiceFailed
)
"""All there are; on the wire a message's kind is the name of its class."""

_KINDS: Final[dict[str, type[Message]]] = {each.__name__: each for each in get_args(Message)}


def _accepted(annotation: Any) -> type | UnionType:
    """Return what isinstance() takes for a field's type; JSON writes some floats as integers."""
    origin = get_origin(annotation)
    accepted: type | UnionType = origin if origin in {list, dict} else annotation
    return accepted | int if annotation in {float, float | None} else accepted


_TYPES: Final = {
    kind: {name: _accepted(annotation) for name, annotation in each.__annotations__.items()}
    for kind, each in _KINDS.items()
}
_MAX_SHOWN: Final = 200


class Unreadable(NamedTuple):
    """A line that is no message; `reason` says why."""

    reason: str


def encode(message: Message) -> bytes:
    """Return the message as one line; raises TypeError for a value that JSON does not have."""
    content = {"kind": type(message).__name__, **message._asdict()}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def beginning(message: type[Message]) -> bytes:
    """Return what every line with such a message begins with."""
    return f'{{"kind":"{message.__name__}"'.encode()


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
    problem = _problem(content, known)
    if problem:
        return Unreadable(f"{kind}: {problem}")
    make: Callable[..., Message] = known
    return make(**content)


def unexpected(message: Message | Unreadable) -> str:
    """Return the sentence for the log about a message that its receiver does not handle."""
    if isinstance(message, Unreadable):
        return f"sent an unreadable message: {message.reason}"
    return f"sent a message that is not expected from it: {type(message).__name__}"


def _problem(content: dict[str, object], known: type[Message]) -> str:
    types = _TYPES[known.__name__]
    for name, value in content.items():
        if name not in types:
            return f"unknown field {_shown(name)}"
        if not isinstance(value, types[name]):
            return f"wrong type of {name}: {_shown(value)}"
    missing = [name for name in types if name not in content | known._field_defaults]
    return f"missing field {missing[0]!r}" if missing else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
