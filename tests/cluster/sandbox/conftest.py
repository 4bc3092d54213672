"""Sandboxes for tests, and how to wait for what a kernel does in its own time."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from podready.cluster.sandbox.forked import ForkedSandbox
from podready.cluster.sandbox.interface import ContainerSpec, Mount
from podready.cluster.sandbox.netns import NetnsSandbox
from podready.cluster.sandbox.plain import PlainSandbox
from podready.errors import ClusterError

DEADLINE_SECONDS = 20.0
SOURCE = Path(__file__).parents[3] / "src"
NOBODY = 65534


@pytest.fixture
async def netns() -> AsyncIterator[NetnsSandbox]:
    """Return pods in namespaces; the test is skipped where the kernel refuses them."""
    try:
        sandbox = await NetnsSandbox.start()
    except ClusterError as refusal:
        pytest.skip(str(refusal))
    yield sandbox
    await sandbox.close()


@pytest.fixture
async def plain() -> AsyncIterator[PlainSandbox]:
    """Return pods of ordinary processes."""
    sandbox = await PlainSandbox.start()
    yield sandbox
    await sandbox.close()


@pytest.fixture(params=[NetnsSandbox, PlainSandbox], ids=["netns", "plain"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[ForkedSandbox]:
    """Return each kind of sandbox in turn."""
    try:
        made: ForkedSandbox = await request.param.start()
    except ClusterError as refusal:
        pytest.skip(str(refusal))
    yield made
    await made.close()


Spec = Callable[..., ContainerSpec]


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """Return a maker of container specs that run Python code or a command."""

    def make(
        *argv: str, code: str = "", mounts: tuple[Mount, ...] = (), **env: str
    ) -> ContainerSpec:
        command = (sys.executable, "-u", "-c", textwrap.dedent(code)) if code else argv
        return ContainerSpec(
            name="web",
            argv=command,
            env={"PATH": os.environ["PATH"], **env},
            cwd="/",
            log=tmp_path / "web.log",
            mounts=mounts,
        )

    return make


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds; fail, naming `what`, when it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


@pytest.fixture
def nobody() -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """Return a way to run code as an ordinary user, with the system's own Python."""
    python, setpriv = shutil.which("python3", path="/usr/bin"), shutil.which("setpriv")
    if os.geteuid() != 0 or not python or not setpriv:
        pytest.skip("needs root, /usr/bin/python3 and setpriv to become an ordinary user")
    version = subprocess.run(
        [python, "-c", "import sys; print(sys.version_info >= (3, 11))"],
        capture_output=True,
        text=True,
        check=True,
    )
    if version.stdout.strip() != "True":
        pytest.skip("/usr/bin/python3 is older than 3.11")
    started = []

    def run(code: str, *arguments: str) -> subprocess.Popen[str]:
        ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        argv = [setpriv, *ids, python, "-c", textwrap.dedent(code), *arguments]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)}
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env, cwd="/")
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
