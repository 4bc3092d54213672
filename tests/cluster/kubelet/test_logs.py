"""Log files of containers, and reading them back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podready.cluster.kubelet.logs import ContainerLogs, last_lines, tail_offset
from podready.kube.status import NotFound


async def read(logs: ContainerLogs, *, previous: bool = False, follow: bool = False) -> bytes:
    """Return the whole log of default/web, container app."""
    pieces = logs.open("default", "web", "app", previous=previous, follow=follow)
    return b"".join([piece async for piece in pieces])


def files(directory: Path) -> list[Path]:
    """Return the log files below a directory."""
    return list(directory.rglob("*.log"))


async def test_the_newest_run_and_the_one_before(tmp_path: Path) -> None:
    """Two runs are kept; a third removes the first; all go with the pod."""
    logs = ContainerLogs(tmp_path / "logs")
    for run in range(3):
        path = logs.begin("default", "web", "app", run)
        path.write_text(f"run {run}\n")

    assert await read(logs) == b"run 2\n"
    assert await read(logs, previous=True) == b"run 1\n"
    assert len(files(tmp_path)) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    logs.forget("default", "web")
    assert not files(tmp_path)
    with pytest.raises(NotFound):
        await read(logs)


async def test_following_until_the_run_has_ended(tmp_path: Path) -> None:
    """A follower gets what is written later, and stops when the container has ended."""
    logs = ContainerLogs(tmp_path / "logs")
    path = logs.begin("default", "web", "app", 0)
    reading = asyncio.create_task(read(logs, follow=True))
    await asyncio.sleep(0)

    path.write_text("late\n")
    logs.end(path)

    assert await reading == b"late\n"


@pytest.mark.parametrize(
    ("text", "lines", "tail"),
    [
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\n", 5, "a\n"),
        ("a\n", 0, ""),
        ("", 1, ""),
        ("x" * 70000 + "\nb\n", 1, "b\n"),
        ("a\n" + "x" * 140000 + "\n", 1, "x" * 140000 + "\n"),
        ("\n\n", 1, "\n"),
    ],
)
def test_tails(tmp_path: Path, text: str, lines: int, tail: str) -> None:
    """The tail begins after the right newline, however far back that is."""
    path = tmp_path / "log"
    path.write_text(text)

    assert text[tail_offset(path, lines) :] == tail


def test_last_words_are_limited_in_lines_and_bytes(tmp_path: Path) -> None:
    """No more than so many lines, and of those no more than so many bytes."""
    path = tmp_path / "log"
    path.write_text("one\ntwo\nthree\n")

    assert last_lines(path, 2, 100) == "two\nthree\n"
    assert last_lines(path, 2, 6) == "three\n"
