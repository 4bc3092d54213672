"""What the parts of the supervisor share: the settings, the loop, the phase and the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from podready.runtime.lifecycle import Lifecycle
    from podready.runtime.loop.loop import Loop
    from podready.runtime.run_config import RunConfig
    from podready.runtime.supervisor.workers import WorkerPool


class State(NamedTuple):
    """One supervisor's state; what a part may do besides comes to it as a callable."""

    config: RunConfig
    loop: Loop
    lifecycle: Lifecycle
    workers: WorkerPool
