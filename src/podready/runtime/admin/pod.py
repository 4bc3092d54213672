"""The pod, as the pages of the admin port need it.

Under `podready run` the supervisor is the Pod (`supervisor.supervisor`), under `podready.wrap`
the process that has the admin port (`wrap.leader`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podready.runtime.admin.probes import PodStatus
    from podready.runtime.admin.worker_handle import WorkerHandle
    from podready.runtime.lifecycle import Lifecycle
    from podready.runtime.loop.loop import Loop
    from podready.runtime.loop.messages import Message
    from podready.runtime.run_config import RunConfig


class Workers(Protocol):
    """All workers that are known at this moment."""

    def __iter__(self) -> Iterator[WorkerHandle]: ...

    def broadcast(self, message: Message) -> None:
        """Send a message to every worker."""


class Pod(Protocol):
    """A pod and its workers."""

    @property
    def loop(self) -> Loop:
        """The loop that the admin port is served on."""

    @property
    def config(self) -> RunConfig:
        """The settings."""

    @property
    def lifecycle(self) -> Lifecycle:
        """The phase the pod is in."""

    @property
    def workers(self) -> Workers:
        """Its workers."""

    @property
    def server(self) -> str:
        """The name of the server that the requests are served by."""

    @property
    def supervised(self) -> bool:
        """Whether this process runs the workers, and is none itself."""

    @property
    def several(self) -> bool:
        """Whether more than one worker serves at a time."""

    def status(self) -> PodStatus:
        """Return all that the probes' answers depend on, as it is now."""
