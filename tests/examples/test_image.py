"""The examples' images, built by a real Docker engine and run as Kubernetes would run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.examples.conftest import EXAMPLES, until
from tests.examples.engine import (
    PYTHON_VERSION,
    Engine,
    NoBaseImageError,
    find_reason,
    running_engine,
)
from tests.ports import HeldPort

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

REPOSITORY = EXAMPLES.parent


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give an engine with a base image; skip where there can be none."""
    if reason := find_reason():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("engine")
    with running_engine(folder) as found:
        try:
            found.base_image(folder)
        except NoBaseImageError as reason:
            pytest.skip(str(reason))
        yield found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build podready's wheel, as `make wheel` does."""
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(folder),
            str(REPOSITORY),
        ],
        check=True,
        timeout=300,
    )
    return next(folder.glob("podready-*.whl"))


@pytest.fixture(scope="module", params=["hello", "hello_flask"])
def image(
    request: pytest.FixtureRequest,
    engine: Engine,
    wheel: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Build an example's image from a copy of its folder, with a file in it that must stay out."""
    context = tmp_path_factory.mktemp("context") / str(request.param)
    shutil.copytree(EXAMPLES / request.param, context, ignore=shutil.ignore_patterns("wheels"))
    (context / "wheels").mkdir()
    shutil.copy(wheel, context / "wheels")
    (context / ".env").write_text("SECRET_KEY=leaked")
    name = f"podready-test-{request.param}-{os.getpid()}"
    engine.docker(
        "build", "--network", "host", "--build-arg", f"PYTHON_VERSION={PYTHON_VERSION}",
        "--tag", name, str(context),
    )  # fmt: skip
    yield name
    engine.docker("image", "rm", "--force", name)


class Container:
    """A running container of an image, locked down as its manifest says."""

    def __init__(self, engine: Engine, image: str, *arguments: str) -> None:
        self._docker = engine.docker
        self._held = HeldPort(), HeldPort()
        self.port, self.admin = (held.number for held in self._held)
        self.name = self._docker(
            "run", "--detach", "--network", "host", "--read-only", "--tmpfs", "/tmp",
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--env", f"PORT={self.port}", "--env", f"PODREADY_ADMIN_PORT={self.admin}",
            *arguments, image,
        ).stdout.strip()  # fmt: skip

    def state(self, field: str) -> str:
        """Return a field of the container's state, such as ExitCode."""
        return self._docker(
            "inspect", "--format", f"{{{{.State.{field}}}}}", self.name
        ).stdout.strip()

    def log(self) -> list[dict[str, Any]]:
        """Return the log; a line that is not JSON fails the test."""
        done = self._docker("logs", self.name)
        return [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]

    def get(self, path: str, port: int) -> tuple[int, str]:
        """GET; status 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> Container:
        """Return once /readyz says so."""
        until(lambda: self.get("/readyz", self.admin)[0] == 200, lambda: f"ready: {self.log()}")
        return self

    def slow_under_way(self) -> bool:
        """Say whether a request is in flight."""
        details = json.loads(self.get("/readyz?verbose", self.admin)[1])["details"]
        return any(worker["inflight"] for worker in details["workers"])

    def stop(self) -> None:
        """`docker stop`: SIGTERM, and SIGKILL after ten seconds."""
        self._docker("stop", self.name)

    def remove(self) -> None:
        """Leave nothing behind."""
        self._docker("rm", "--force", self.name)
        for held in self._held:
            held.close()


@pytest.fixture
def containers() -> Iterator[ExitStack]:
    """Remove what the test has started."""
    with ExitStack() as stack:
        yield stack


def test_docker_stop_during_a_two_second_request_finishes_it(
    engine: Engine, image: str, containers: ExitStack
) -> None:
    """The client gets its answer, the container exits with 0 before SIGKILL, the log is JSON."""
    container = Container(engine, image, "--env", "SECRET_KEY=for tests")
    containers.callback(container.remove)
    container.ready()
    answers: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: answers.append(container.get("/slow", container.port)))
    client.start()
    until(container.slow_under_way, lambda: f"in flight: {container.log()}")
    container.stop()
    client.join(30)
    assert answers == [(200, "Hello, after two seconds!")]
    assert container.state("ExitCode") == "0"
    assert any("stopped" in event["message"] for event in container.log())


def test_podready_is_the_first_process_and_no_root(
    engine: Engine, image: str, containers: ExitStack
) -> None:
    """No shell stands between the engine's signals and podready."""
    container = Container(engine, image, "--env", "SECRET_KEY=for tests")
    containers.callback(container.remove)
    container.ready()
    shown = engine.docker("exec", container.name, "cat", "/proc/1/cmdline", "/proc/1/status").stdout
    assert shown.startswith("/opt/venv/bin/python\0/opt/venv/bin/podready\0run\0")
    assert "Uid:\t65532\t65532" in shown


def test_a_container_without_its_settings_says_so_and_exits_with_78(
    engine: Engine, image: str, containers: ExitStack
) -> None:
    """The report is in the container's log, as JSON."""
    container = Container(engine, image)
    containers.callback(container.remove)
    engine.docker("wait", container.name)
    assert container.state("ExitCode") == "78"
    assert any("SECRET_KEY  missing" in event["message"] for event in container.log())


def test_nothing_but_the_app_and_its_environment_is_in_the_image(
    engine: Engine, image: str
) -> None:
    """No .env, no tests, no wheel, no package index's settings."""
    files = engine.docker("run", "--rm", "--network", "host", image, "python", "-c", LISTING).stdout
    names = sorted(files.split())
    assert [name for name in names if not name.startswith("__pycache__")] == sorted(
        ["__init__.py", "database.py", "main.py", "settings.py"]
    )
    history = engine.docker("history", "--no-trunc", image).stdout
    assert "leaked" not in history


LISTING = """
import pathlib
(package,) = pathlib.Path("/app").iterdir()
print(*(path.relative_to(package) for path in package.rglob("*") if path.is_file()))
"""
