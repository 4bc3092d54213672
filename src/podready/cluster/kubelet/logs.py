"""Where containers write, and how what they wrote is read back (`kubectl logs`).

One file for each run of a container; the one before stays for `--previous`, older ones go.
"""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

from podready.kube.gvk import POD
from podready.kube.status import NotFound

_CHUNK: Final = 65536
_POLL_SECONDS: Final = 0.1  # a file has no event that asyncio could await
_TAIL_BLOCK: Final = 65536


class ContainerLogs:
    """The log files of all pods of one node, below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._runs: dict[tuple[str, str, str], int] = {}
        self._ended: set[Path] = set()

    def begin(self, namespace: str, pod: str, container: str, run: int) -> Path:
        """Return the file for the container's run number `run`, now its newest."""
        folder = self._folder(namespace, pod, container)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / f"{run - 2}.log").unlink(missing_ok=True)
        path = folder / f"{run}.log"
        self._runs[namespace, pod, container] = run
        self._ended.discard(path)
        path.touch(mode=0o600)
        return path

    def end(self, path: Path) -> None:
        """Remember that nothing more will be written to `path`, so followers may stop."""
        self._ended.add(path)

    def forget(self, namespace: str, pod: str) -> None:
        """Remove the logs of a pod that is gone."""
        for key in [key for key in self._runs if key[:2] == (namespace, pod)]:
            run = self._runs.pop(key)
            self._ended.discard(self._folder(*key) / f"{run}.log")
        shutil.rmtree(self._directory / f"{namespace}_{pod}", ignore_errors=True)

    def path(
        self, namespace: str, pod: str, container: str, *, previous: bool = False
    ) -> Path | None:
        """Return the file of the container's newest run, or of the one before; None without."""
        run = self._runs.get((namespace, pod, container))
        if run is None:
            return None
        path = self._folder(namespace, pod, container) / f"{run - 1 if previous else run}.log"
        return path if path.exists() else None

    async def open(
        self, namespace: str, pod: str, container: str, *, previous: bool, follow: bool
    ) -> AsyncIterator[bytes]:
        """Yield what the container wrote in its newest run, or in the one before.

        With `follow`, goes on until that run has ended. NotFound when there is no such log.
        """
        path = self.path(namespace, pod, container, previous=previous)
        if path is None:
            raise NotFound.about(
                POD, pod, f'container "{container}" of pod "{pod}" has no log here'
            )
        with path.open("rb") as file:
            while True:
                over = path in self._ended or self._is_gone(path)
                chunk = file.read(_CHUNK)
                if chunk:
                    yield chunk
                elif over or previous or not follow:
                    return
                else:
                    await asyncio.sleep(_POLL_SECONDS)

    def _is_gone(self, path: Path) -> bool:
        return not path.exists()

    def _folder(self, namespace: str, pod: str, container: str) -> Path:
        return self._directory / f"{namespace}_{pod}" / container


def tail_offset(path: Path, lines: int) -> int:
    """Return where the last `lines` lines of a file begin."""
    size = path.stat().st_size
    if lines <= 0:
        return size
    with path.open("rb") as file:
        position, found = size, 0
        while position > 0:
            start = max(0, position - _TAIL_BLOCK)
            file.seek(start)
            block = file.read(position - start)
            # The newline that ends the last line does not begin another.
            end = len(block) - 1 if position == size and block.endswith(b"\n") else len(block)
            while (at := block.rfind(b"\n", 0, end)) >= 0:
                found += 1
                if found == lines:
                    return start + at + 1
                end = at
            position = start
    return 0


def last_lines(path: Path, lines: int, most_bytes: int) -> str:
    """Return the last lines of a file, no more than `most_bytes` of them."""
    with path.open("rb") as file:
        file.seek(max(tail_offset(path, lines), path.stat().st_size - most_bytes))
        return file.read().decode(errors="replace")
