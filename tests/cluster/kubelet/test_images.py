"""What an image is on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from podready.cluster.kubelet.images import (
    ImageUnavailableError,
    LocalImage,
    ProjectImages,
    interpreter_paths,
)
from podready.cluster.sandbox.interface import Mount
from podready.dockerfile import parse_image


def images(project: Path, *lines: str) -> ProjectImages:
    """Return the images of a project with this Dockerfile."""
    (project / "Dockerfile").write_text("\n".join(("FROM python:3.13-slim", *lines, "")))
    return ProjectImages(project)


def test_the_project_stands_at_the_workdir(tmp_path: Path) -> None:
    """Any image name gives the project's files at WORKDIR, this Python first on PATH."""
    image = images(tmp_path, "WORKDIR /app", "COPY . .", 'CMD ["x"]').resolve("any:1")

    assert image.mounts == (Mount(tmp_path, "/app", copy=True),)
    assert image.workdir == "/app"
    assert image.path == (str(Path(sys.executable).parent),)
    assert image.config.argv == ("x",)


def test_copies_to_other_places(tmp_path: Path) -> None:
    """`COPY src/ .` puts a part of the project elsewhere than the project at WORKDIR would."""
    (tmp_path / "src").mkdir()
    (tmp_path / "settings.toml").touch()
    lines = ("WORKDIR /app", "COPY src/ .", "COPY settings.toml /etc/", "COPY gone *.py ./")
    image = images(tmp_path, *lines).resolve("any")

    assert image.mounts == (
        Mount(tmp_path / "src", "/app", copy=True),
        Mount(tmp_path / "settings.toml", "/etc/settings.toml", copy=True),
    )


def test_the_image_s_own_python_environment(tmp_path: Path) -> None:
    """A command inside the image's own virtual environment finds this one in its place."""
    program = f"/opt/podready-test/bin/{Path(sys.executable).name}"
    image = images(tmp_path, f'CMD ["{program}", "-V"]').resolve("any")

    assert Mount(Path(sys.prefix), "/opt/podready-test", copy=True) in image.mounts


def test_without_a_workdir_the_project_is_it(tmp_path: Path) -> None:
    """An image that stays in / runs in the project's own folder."""
    image = images(tmp_path, "CMD x").resolve("any")

    assert (image.workdir, image.mounts) == (str(tmp_path), ())


def test_what_cannot_be_run_says_what_to_do(tmp_path: Path) -> None:
    """A missing Dockerfile and a wrong one are told with their place."""
    with pytest.raises(ImageUnavailableError, match=f"expected {tmp_path}/Dockerfile; write one"):
        ProjectImages(tmp_path).resolve("hello:1")
    with pytest.raises(ImageUnavailableError, match="Dockerfile:2: unknown instruction"):
        images(tmp_path, "NONSENSE").resolve("hello:1")


def test_no_mount_hides_the_interpreter(tmp_path: Path) -> None:
    """A checkout in /tmp and an emptyDir at /tmp: the environment is shown again on top of it."""
    venv = Path("/tmp/clone/.venv")
    image = LocalImage(
        config=parse_image("FROM scratch\nCMD app\n"),
        mounts=(),
        workdir="/app",
        home=tmp_path,
        interpreter=(venv, Path("/usr")),
    )
    assert image.hidden_by([Mount(tmp_path, "/tmp")]) == (Mount(venv, str(venv), read_only=True),)
    assert image.hidden_by([Mount(tmp_path, "/data")]) == ()


def test_the_interpreter_is_its_outermost_directories() -> None:
    """This Python's own prefix is among them or inside one of them, and none holds another."""
    paths = interpreter_paths()
    assert any(Path(sys.prefix).resolve().is_relative_to(path) for path in paths)
    assert not any(a.is_relative_to(b) for a in paths for b in paths if a != b)
