"""What the supervisor leaves to a forked worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from podready.runtime.loop.channel import Channel
    from podready.runtime.metrics.shared import MetricsSegment
    from podready.runtime.run_config import RunConfig


@dataclass(frozen=True, slots=True)
class WorkerStart:
    """Everything the child keeps of its parent."""

    config: RunConfig
    listener: socket.socket
    channel: Channel
    secret: str
    signal_mask: frozenset[int]
    segment: MetricsSegment
