"""What every part of the kubelet may use: the node's facts and interfaces, and one pod's own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podready.cluster.kubelet.backoff import LONGEST_SECONDS
from podready.kube.meta import Object, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from podready.clock import Clock
    from podready.cluster.client.protocol import Client
    from podready.cluster.kubelet.images import ImageStore
    from podready.cluster.sandbox.interface import PodSandbox, Sandbox
    from podready.journal import Journal

Sleep = Callable[[float], Awaitable[None]]
RecordEvent = Callable[[Object, str, str, str, str], None]
"""Takes an event: the object, its type, reason, message and field path."""


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The node of this kubelet: its interfaces and its facts.

    `sleep` is how back-off delays pass, so that a test need not wait for them; `phases` gives
    each probe its place within its first period.
    """

    name: str
    client: Client
    sandbox: Sandbox
    images: ImageStore
    journal: Journal
    clock: Clock
    record_event: RecordEvent
    state_dir: Path
    host_ip: str = "127.0.0.1"
    allocatable: Mapping[str, str] = field(default_factory=dict)
    longest_backoff: float = LONGEST_SECONDS
    sleep: Sleep = asyncio.sleep
    phases: random.Random = field(default_factory=random.Random)


class PodContext:
    """One pod: its newest object, its sandbox and volumes, and its events."""

    def __init__(self, node: NodeContext, pod: Object, changed: Callable[[], None]) -> None:
        self.node = node
        self.pod = pod
        self.key = key_of(pod)
        self.uid: str = pod["metadata"]["uid"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.name: str = pod["metadata"]["name"]
        self.changed = changed
        self.sandbox: PodSandbox | None = None
        self.volumes: dict[str, Path] = {}
        self.directory = node.state_dir / "pods" / self.uid

    @property
    def spec(self) -> Object:
        """The pod's spec."""
        spec: Object = self.pod["spec"]
        return spec

    @property
    def grace_seconds(self) -> float:
        """The grace period of the pod's own spec."""
        seconds = self.spec.get("terminationGracePeriodSeconds")
        return 30.0 if seconds is None else float(seconds)

    @property
    def net(self) -> PodSandbox:
        """The pod's sandbox, which is open before any container runs."""
        assert self.sandbox is not None
        return self.sandbox

    def normal(self, reason: str, message: str, container: str = "") -> None:
        """RecordEvent a Normal event about the pod or one of its containers."""
        self.node.record_event(self.pod, "Normal", reason, message, container)

    def warn(self, reason: str, message: str, container: str = "") -> None:
        """RecordEvent a Warning event about the pod or one of its containers."""
        self.node.record_event(self.pod, "Warning", reason, message, container)

    def note(self, kind: str, **facts: Any) -> None:
        """Write a fact into the node's journal."""
        self.node.journal.write(kind, self.key, **facts)
