"""`pods/x/log`: what a container wrote, from the kubelet that has it."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from podready.cluster.apiserver.parameters import boolean, number
from podready.kube.meta import Object, dig
from podready.kube.status import BadRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

_NO_TIMES = (
    "containers of podready's cluster write straight into their log files, so the time of a line "
    "is not known: --since, --since-time and --timestamps are not served"
)
_TIME_PARAMETERS = ("sinceSeconds", "sinceTime")


class PodLogs(Protocol):
    """Where the logs of containers are: the kubelet."""

    def open(
        self, namespace: str, pod: str, container: str, *, previous: bool, follow: bool
    ) -> AsyncIterator[bytes]:
        """Yield what the container wrote, from its first byte, in pieces of any size.

        `previous` means the container's last ended run instead of the present one. With `follow`
        it goes on until the container has ended for good; closing it early is normal.
        Raises `kube.status.NotFound` (on the first step) when there is no such log.
        """


@dataclass(frozen=True, slots=True)
class PodLogOptions:
    """What of a log a client wants to see."""

    container: str
    follow: bool
    previous: bool
    tail_lines: int | None
    limit_bytes: int | None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Return the options of a query string; BadRequest for those that are not served."""
        if boolean(query, "timestamps") or any(query.get(name) for name in _TIME_PARAMETERS):
            raise BadRequest(_NO_TIMES)
        return cls(
            container=query.get("container", ""),
            follow=boolean(query, "follow"),
            previous=boolean(query, "previous"),
            tail_lines=number(query, "tailLines"),
            limit_bytes=number(query, "limitBytes"),
        )


def container_of(pod: Object, options: PodLogOptions) -> str:
    """Return the name of the container; BadRequest if unclear, unknown or not started."""
    name = pod["metadata"]["name"]
    inits, mains = (
        [c["name"] for c in dig(pod, "spec", part, default=[])]
        for part in ("initContainers", "containers")
    )
    chosen = options.container
    if not chosen and len(mains) > 1:
        choices = f"[{' '.join(mains)}]"
        raise BadRequest(
            f"a container name must be specified for pod {name}, choose one of: {choices}"
            + (f" or one of the init containers: [{' '.join(inits)}]" if inits else "")
        )
    chosen = chosen or mains[0]
    if chosen not in mains + inits:
        raise BadRequest(f"container {chosen} is not valid for pod {name}")
    _check_started(pod, chosen, previous=options.previous)
    return chosen


def _check_started(pod: Object, container: str, *, previous: bool) -> None:
    name = pod["metadata"]["name"]
    statuses = [
        status
        for part in ("initContainerStatuses", "containerStatuses")
        for status in dig(pod, "status", part, default=[])
        if status.get("name") == container
    ]
    state = dig(statuses, 0, "state", default={})
    last = dig(statuses, 0, "lastState", "terminated")
    if previous and not last:
        raise BadRequest(f'previous terminated container "{container}" in pod "{name}" not found')
    if not previous and not last and "running" not in state and "terminated" not in state:
        reason = dig(state, "waiting", "reason", default="ContainerCreating")
        raise BadRequest(f'container "{container}" in pod "{name}" is waiting to start: {reason}')


async def log_of(
    logs: PodLogs, namespace: str, pod: str, container: str, options: PodLogOptions
) -> AsyncGenerator[bytes, None]:
    """Yield the wanted part of a log."""
    start = 0
    if options.tail_lines is not None:
        written = logs.open(namespace, pod, container, previous=options.previous, follow=False)
        start = await _offset_of_tail(written, options.tail_lines)
    pieces = logs.open(namespace, pod, container, previous=options.previous, follow=options.follow)
    left = options.limit_bytes
    async with aclosing(_from_offset(pieces, start)) as wanted:
        async for piece in wanted:
            cut = piece if left is None else piece[:left]
            if cut:
                yield cut
            if left is not None:
                left -= len(cut)
                if left <= 0:
                    return


async def _offset_of_tail(pieces: AsyncIterator[bytes], lines: int) -> int:
    """Return where the last `lines` lines begin."""
    ends: list[int] = []
    size = 0
    async for piece in pieces:
        ends += [size + n + 1 for n, byte in enumerate(piece) if byte == 0x0A]
        ends = ends[-(lines + 1) :]
        size += len(piece)
    starts = [0, *ends] if len(ends) <= lines else ends
    if starts[-1] == size:  # the last line is whole: nothing begins after it
        starts.pop()
    return starts[-lines] if lines and len(starts) >= lines else (0 if lines else size)


async def _from_offset(pieces: AsyncIterator[bytes], start: int) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in pieces:
            if start < len(piece):
                yield piece[start:]
            start = max(0, start - len(piece))
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
