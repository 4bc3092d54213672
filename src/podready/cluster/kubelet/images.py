"""What an image name means on this machine.

Nothing is pulled or built: the project's Dockerfile says how the image starts, and the
project's own files and Python environment stand in for its file system.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from podready.cluster.sandbox.interface import Mount
from podready.dockerfile import Copy, Image, read_image
from podready.errors import ManifestError


class ImageUnavailableError(Exception):
    """There is nothing here to run for this image; the message says what to do."""


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image ready to run here: its configuration, and the host paths that make its files.

    `home` is where the project's files are on this machine, for sandboxes that cannot show them
    at the image's own WORKDIR. `interpreter` holds the directories this Python is made of: an
    image brings its own, so no mount may hide this one (a checkout in /tmp, an emptyDir at /tmp).
    """

    config: Image
    mounts: tuple[Mount, ...]
    workdir: str
    home: Path
    path: tuple[str, ...] = field(default=())
    interpreter: tuple[Path, ...] = field(default=())

    def hidden_by(self, mounts: Iterable[Mount]) -> tuple[Mount, ...]:
        """Return the mounts that show again what of the interpreter `mounts` would hide."""
        targets = [Path(mount.target) for mount in mounts]
        return tuple(
            Mount(path, str(path), read_only=True)
            for path in self.interpreter
            if any(path.is_relative_to(target) for target in targets)
        )


class ImageStore(Protocol):
    """Knows what to run for an image name."""

    def resolve(self, image: str) -> LocalImage:
        """Return the image; ImageUnavailableError, with what to do, when there is none."""


class ProjectImages:
    """Every image name means the project's own Dockerfile and files."""

    def __init__(self, project: Path, dockerfile: Path | None = None, target: str = "") -> None:
        self._project = project.resolve()
        self._dockerfile = (dockerfile or self._project / "Dockerfile").resolve()
        self._target = target

    def resolve(self, image: str) -> LocalImage:
        """Return the project's image, read again each time so that edits count."""
        if not self._dockerfile.is_file():
            raise ImageUnavailableError(
                f"image {image!r} has no Dockerfile on this machine: expected "
                f"{self._dockerfile}; write one, or name it as `dockerfile` in [tool.podready]"
            )
        try:
            config = read_image(self._dockerfile, self._target)
        except ManifestError as error:
            raise ImageUnavailableError(str(error)) from error
        workdir = config.workdir if config.workdir != "/" else str(self._project)
        return LocalImage(
            config=config,
            mounts=_files(config, self._project, workdir) + _environment(config),
            workdir=workdir,
            home=self._project,
            path=(str(Path(sys.executable).parent),),
            interpreter=interpreter_paths(),
        )


def interpreter_paths() -> tuple[Path, ...]:
    """Return the directories that this Python needs, the outermost only: prefixes and sys.path."""
    wanted = [sys.prefix, sys.base_prefix, *(entry for entry in sys.path if Path(entry).is_dir())]
    paths = sorted({Path(entry).resolve() for entry in wanted if entry})
    return tuple(
        path for path in paths if not any(path.is_relative_to(o) for o in paths if o != path)
    )


def _files(config: Image, project: Path, workdir: str) -> tuple[Mount, ...]:
    """Return the project at WORKDIR, and every COPY that puts a part of it elsewhere."""
    mounts = {workdir: Mount(project, workdir, copy=True)} if workdir != str(project) else {}
    for copied in config.copies:
        for mount in _copied(copied, project, workdir):
            mounts[mount.target] = mount
    return tuple(sorted(mounts.values(), key=lambda mount: mount.target))


def _copied(copied: Copy, project: Path, workdir: str) -> list[Mount]:
    """Return the mounts of one COPY, without those that the project at WORKDIR shows anyway."""
    mounts = []
    for name in copied.sources:
        source = project / name
        if re.search(r"[*?\[]", name) or not source.exists():
            continue
        target = copied.target
        if len(copied.sources) > 1 and source.is_file():
            target = posixpath.join(target, source.name)
        shown = posixpath.normpath(posixpath.join(workdir, name))
        if target not in (shown, "/"):
            mounts.append(Mount(source, target, copy=True))
    return mounts


def _environment(config: Image) -> tuple[Mount, ...]:
    """Return this Python environment at the place where the image has its own, if it says where."""
    places = {config.env.get("VIRTUAL_ENV", "")}
    if config.argv and config.argv[0].startswith("/"):
        program = Path(config.argv[0])
        if program.parent.name == "bin" and (Path(sys.executable).parent / program.name).exists():
            places.add(str(program.parent.parent))
    wanted = (place for place in places if place.count("/") >= 1 and not Path(place).exists())
    return tuple(Mount(Path(sys.prefix), place, copy=True) for place in sorted(wanted))
