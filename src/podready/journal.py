"""Facts of a node that the Kubernetes API does not carry: one JSON object a line.

The kubelet and the proxies of the local cluster write it; the rehearsal reads it to say which
request met which moment of which pod. A real cluster has no journal: there the rehearsal has
the API's own watch only, and says so.

`t` is CLOCK_MONOTONIC seconds, the same clock that the load process stamps its samples with.
Kinds and their fields (besides `t`, `kind`, `pod` = "namespace/name"):

    signal      container, signal ("SIGTERM" | "SIGKILL"), handled (bool: PID 1 has a handler)
    prestop     container, state ("begin" | "end" | "failed"), seconds (on end)
    listening   port (int), open (bool): some process of the pod accepts on podIP:port
    started     container, pid (of this host)
    exited      container, code (int), signal (int), oom (bool), restart (int: how many before)
    deleted     grace (float seconds): the API marked the pod for deletion
    ready       value (bool): the pod's Ready condition as the kubelet wrote it
    view        node (int), service ("namespace/name"), port (int), state ("routed" | "unrouted"):
                this node's proxy began or ceased to send new connections to the pod
    unready     container, probe ("readiness" | "liveness" | "startup"), message: a probe failed
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from podready.clock import SYSTEM_CLOCK, Clock


class Journal(Protocol):
    """Where facts go."""

    def write(self, kind: str, pod: str, **fields: Any) -> None:
        """Record one fact about `pod` ("namespace/name") at the present moment."""


class FileJournal:
    """A journal in a file, one line a fact, readable while it is written."""

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._clock = clock

    def write(self, kind: str, pod: str, **fields: Any) -> None:
        """Append the fact; a line is written whole or not at all."""
        fact = {"t": self._clock.monotonic(), "kind": kind, "pod": pod, **fields}
        self._file.write(json.dumps(fact, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file; later facts are an error."""
        self._file.close()


class NullJournal:
    """A journal that discards every fact."""

    def write(self, kind: str, pod: str, **fields: Any) -> None:
        """Discard the fact."""


def read_journal(path: Path, since: float = 0.0) -> list[dict[str, Any]]:
    """Return the facts from `since` (CLOCK_MONOTONIC seconds) on, oldest first."""
    with path.open(encoding="utf-8") as lines:
        facts = [json.loads(line) for line in lines if line.endswith("\n")]
    return [fact for fact in facts if fact["t"] >= since]
