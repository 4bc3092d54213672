"""Which part of which container's log is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from podready.cluster.apiserver.subresources.log import PodLogOptions, container_of, log_of
from podready.kube.status import BadRequest


class Pieces:
    """A log in pieces that do not end where lines do."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def open(
        self, _namespace: str, _pod: str, _container: str, *, previous: bool, follow: bool
    ) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if follow:
            yield b"more\n"


async def shown(logs: Pieces, **query: str) -> bytes:
    options = PodLogOptions.parse(query)
    return b"".join([piece async for piece in log_of(logs, "n", "p", "c", options)])


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("0", b""), ("1", b"three\n"), ("2", b"two\nthree\n"), ("3", b"one\ntwo\nthree\n"),
        ("9", b"one\ntwo\nthree\n"),
    ],
)  # fmt: skip
async def test_tail_counts_lines_not_pieces(tail: str, expected: bytes) -> None:
    """Lines that lie across pieces are one line."""
    assert await shown(Pieces(b"one\ntw", b"o\nthr", b"ee\n"), tailLines=tail) == expected


async def test_a_last_line_without_its_end_is_a_line() -> None:
    """A crash may leave half a line; it is the most interesting one."""
    assert await shown(Pieces(b"one\ntwo"), tailLines="1") == b"two"
    assert await shown(Pieces(), tailLines="3") == b""


async def test_following_goes_on_where_the_tail_ended() -> None:
    """Nothing is shown twice."""
    logs = Pieces(b"one\n", b"two\n")
    assert await shown(logs, tailLines="1", follow="true") == b"two\nmore\n"
    assert await shown(logs, tailLines="0", follow="true") == b"more\n"


async def test_bytes_are_limited() -> None:
    """limitBytes cuts in the middle of a line."""
    assert await shown(Pieces(b"one\n", b"two\n"), limitBytes="6") == b"one\ntw"


@pytest.mark.parametrize(
    "query",
    [{"timestamps": "true"}, {"sinceSeconds": "5"}, {"tailLines": "x"}, {"follow": "maybe"}],
)
def test_options_that_are_not_served_are_refused(query: dict[str, str]) -> None:
    """Rather than showing something else than was asked for."""
    with pytest.raises(BadRequest):
        PodLogOptions.parse(query)


def pod(**statuses: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": name} for name in statuses] or [{"name": "web"}]},
        "status": {"containerStatuses": [{"name": n} | s for n, s in statuses.items()]},
    }


UP: dict[str, Any] = {"state": {"running": {}}}


@pytest.mark.parametrize(
    ("obj", "query", "message"),
    [
        (pod(a=UP, b=UP), {}, r"must be specified for pod p, choose one of: \[a b\]"),
        (pod(a=UP), {"container": "z"}, "container z is not valid for pod p"),
        (pod(), {}, 'container "web" in pod "p" is waiting to start: ContainerCreating'),
        (pod(a={"state": {"waiting": {"reason": "ErrImagePull"}}}), {}, "start: ErrImagePull"),
        (pod(a=UP), {"previous": "true"}, 'previous terminated container "a" in pod "p" not found'),
    ],
)
def test_logs_that_are_not_there(obj: Any, query: dict[str, str], message: str) -> None:
    """The real API server's sentences."""
    with pytest.raises(BadRequest, match=message):
        container_of(obj, PodLogOptions.parse(query))


def test_the_only_container_need_not_be_named() -> None:
    """And one that crashed can be read, for that is when people read logs."""
    crashed = {
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1}},
    }
    assert container_of(pod(web=UP), PodLogOptions.parse({})) == "web"
    assert container_of(pod(web=crashed), PodLogOptions.parse({})) == "web"
    assert container_of(pod(web=crashed), PodLogOptions.parse({"previous": "1"})) == "web"
