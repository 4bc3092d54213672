"""A Docker engine for tests that build and run images for real.

Where an engine answers already, it is used. Where none does but `dockerd` is installed and we are
root, a private one is started with its data, sockets and pid in a folder of its own, and all of it
is gone afterwards. Else `find_reason` says in a sentence why there is none.

No image has to be pulled: `base_image` makes one with debootstrap that stands in for Docker's
`python:3.11-slim` (Debian 12's Python 3.11, with `python` at the same path) and knows this
machine's certificates and pip settings, so that the example's Dockerfile needs to know none.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts import program

PYTHON_VERSION = "3.11"
BASE_IMAGE = f"python:{PYTHON_VERSION}-slim"
_SUITE = "bookworm"  # the Debian whose python3 is 3.11
_START_SECONDS = 60.0


class NoBaseImageError(Exception):
    """There is an engine, but no way to get an image to build on."""


def find_reason() -> str:
    """Return why there can be no engine here; empty when there can."""
    if program("docker") is None:
        return "no Docker client: install docker.io"
    if _answers(None):
        return ""
    if os.geteuid() != 0:
        return "no Docker engine answers, and only root can start one"
    missing = [name for name in ("dockerd", "containerd") if program(name) is None]
    return f"no Docker engine answers, and {' and '.join(missing)} is missing" if missing else ""


class Engine:
    """A Docker engine, spoken to through its command line."""

    def __init__(self, host: str | None) -> None:
        self._host = host

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one docker command; its output is in the error when it fails."""
        done = subprocess.run(
            ["docker", *arguments],
            env=_environment(self._host),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"docker {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def base_image(self, folder: Path) -> None:
        """Make sure that BASE_IMAGE exists: the engine's own, a pulled one, or one from Debian."""
        if self.docker("image", "inspect", BASE_IMAGE, check=False).returncode == 0:
            return
        if self._host is None and self.docker("pull", BASE_IMAGE, check=False).returncode == 0:
            return
        root = folder / "rootfs"
        _bootstrap(root)
        with subprocess.Popen(
            ["tar", "-C", str(root), "--one-file-system", "-c", "."], stdout=subprocess.PIPE
        ) as tar:
            subprocess.run(
                [
                    "docker",
                    "import",
                    "--change",
                    'CMD ["python3"]',
                    "--change",
                    f"ENV PATH={_PATH}",
                    "-",
                    BASE_IMAGE,
                ],
                env=_environment(self._host),
                stdin=tar.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        assert tar.returncode == 0
        shutil.rmtree(root)


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """Give the engine that answers already, else a private one that lives in `folder`."""
    if _answers(None):
        yield Engine(None)
        return
    host = f"unix://{folder}/docker.sock"
    daemon = _start(folder, host)
    try:
        yield Engine(host)
    finally:
        _stop(daemon, folder)


_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def _start(folder: Path, host: str) -> subprocess.Popen[bytes]:
    """Start dockerd without networks of its own: containers use the host's."""
    dockerd = program("dockerd")
    assert dockerd is not None
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                dockerd,
                "--data-root",
                f"{folder}/data",
                "--exec-root",
                f"{folder}/exec",
                "--pidfile",
                f"{folder}/docker.pid",
                "--host",
                host,
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
            ],
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(host):
        if daemon.poll() is not None or time.monotonic() > deadline:
            _stop(daemon, folder)
            last = (folder / "dockerd.log").read_text(errors="replace")[-3000:]
            raise AssertionError(f"dockerd did not start:\n{last}")
        time.sleep(0.1)
    return daemon


def _stop(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    """End the daemon and its containerd, and undo the mounts that it leaves behind."""
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
    for _, target in reversed(_mounts_below(folder)):
        subprocess.run(["umount", "--lazy", target], check=False, capture_output=True)
    for name in ("data", "exec"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _mounts_below(folder: Path) -> list[tuple[str, str]]:
    """Return device and target of each mount inside the folder, in the order of mounting."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    found = [(line.split()[0], line.split()[1]) for line in lines]
    return [(device, target) for device, target in found if target.startswith(f"{folder}/")]


def _bootstrap(root: Path) -> None:
    """Install a minimal Debian with Python into `root`."""
    debootstrap = program("debootstrap")
    if debootstrap is None or os.geteuid() != 0:
        raise NoBaseImageError(
            f"{BASE_IMAGE} cannot be pulled, and making one takes root and debootstrap"
        )
    subprocess.run(
        [
            debootstrap,
            "--variant=minbase",
            "--include=python3,python3-venv,ca-certificates",
            _SUITE,
            str(root),
            *_mirror(),
        ],
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        stdout=subprocess.DEVNULL,
        timeout=900,
        check=True,
    )
    for name in ("python", "python3"):
        (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
    for path in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(path).exists():
            shutil.copyfile(path, f"{root}{path}")


def _mirror() -> list[str]:
    """Return Debian's address, which other systems' debootstrap does not know."""
    known = "Debian" in Path("/etc/os-release").read_text()
    return [] if known else ["http://deb.debian.org/debian"]


def _answers(host: str | None) -> bool:
    done = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        env=_environment(host),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0 and platform.system() == "Linux"


def _environment(host: str | None) -> dict[str, str]:
    """Return the client's environment; the classic builder needs no plugin."""
    environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
    return {**environ, "DOCKER_HOST": host} if host else environ
