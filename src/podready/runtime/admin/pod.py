"""What the pages of the admin port need to know, whoever runs the workers.

Under `podready run` that is the supervisor (`supervisor`), under a foreign server the process that
has got the admin port (`leader`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podready.runtime.admin.loggers import Loggers
    from podready.runtime.admin.metrics import MetricsPage
    from podready.runtime.admin.probes import Standing
    from podready.runtime.lifecycle import Lifecycle
    from podready.runtime.loop.loop import Loop
    from podready.runtime.run_config import RunConfig
    from podready.runtime.supervisor.workers import WorkerHandle


class Workers(Protocol):
    """All workers that are known at this moment."""

    def __iter__(self) -> Iterator[WorkerHandle]: ...

    def broadcast(self, kind: str, **fields: Any) -> None:
        """Send one message to every worker."""


class Pod(Protocol):
    """A pod and its workers."""

    @property
    def loop(self) -> Loop:
        """The loop that all of this happens on."""

    @property
    def config(self) -> RunConfig:
        """What the environment and the command line said."""

    @property
    def lifecycle(self) -> Lifecycle:
        """The phase the pod is in."""

    @property
    def fleet(self) -> Workers:
        """Its workers."""

    @property
    def server(self) -> str:
        """What serves the requests, by its name."""

    @property
    def supervised(self) -> bool:
        """Whether this process runs the workers, and is none itself."""

    @property
    def several(self) -> bool:
        """Whether more than one worker serves at a time."""

    @property
    def metrics(self) -> MetricsPage:
        """The page at /metrics."""

    @property
    def loggers(self) -> Loggers:
        """The pages at /loggers."""

    def standing(self) -> Standing:
        """Return all that a probe's answer depends on, as it is now."""
